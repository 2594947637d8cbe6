#include "plane/transmit/slow-path.h"

#include "sockets/raw-socket.h"

namespace sojourn {

void SlowPath::sendFragmented(const Tunnel& tunnel, const OuterPayload& payload) {
  const size_t path = tunnel.endpoint->pathMtu.load(std::memory_order_relaxed);
  const size_t mtu = path != 0 ? path : tunnel.mtu + tunnel.overhead();
  // Unpredictable enough for RFC 7739: seeded, and the identification space is per pair of
  // addresses anyway.
  if (identification_ == 0) identification_ = static_cast<u32>(mixKey(monotonicMs(), tunnel.id));
  const bool sealed = tunnel.encapsulation == Encapsulation::sealed;
  const u16 sourcePort = sealed ? sockets_.sealedPort : sockets_.udpPort;
  const Packets packets =
      encapsulateFragmented(tunnel, payload, mtu, sourcePort, ++identification_);
  bool sent = !packets.empty();
  for (const std::vector<u8>& packet : packets) {
    sent = sendRawPacket(sockets_.complete(tunnel.family), tunnel.family, packet.data(),
                         packet.size()) == 0 &&
           sent;
    counters_.add(Counters::outerFragments);
  }
  if (!sent) {
    counters_.add(Counters::dropSendError);
    return;
  }
  accountSent(counters_, tunnel, 1, payload.length);
}

}  // namespace sojourn
