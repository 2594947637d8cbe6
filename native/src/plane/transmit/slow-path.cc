#include "plane/transmit/slow-path.h"

#include "net/optimized.h"
#include "sockets/raw-socket.h"

namespace sojourn {
namespace {

constexpr size_t kFragmentHeader = 8;

}  // namespace

void SlowPath::sendFragmented(const Tunnel& tunnel, const OuterPayload& payload) {
  const size_t pathMtu = tunnel.endpoint->limits.least();
  // RFC 7739: unpredictable enough, as the start is seeded and each pair of addresses has its own
  // identification space.
  if (identification_ == 0) identification_ = static_cast<u32>(mixKey(monotonicMs(), tunnel.id));
  const size_t mtu = pathMtu != 0 ? pathMtu : tunnel.outerLength(tunnel.mtu);
  const u32 identification = ++identification_;
  const Packets packets =
      tunnel.path.carrier == Carrier::optimized
          ? fragmentOptimized(tunnel.path, payload, mtu, identification)
          : encapsulateFragmented(tunnel.path, payload,
                                  {.mtu = mtu,
                                   .sourcePort = sockets_.portOf(tunnel.path, tunnel.protection),
                                   .identification = identification});
  const int family = tunnel.path.family;
  bool sent = !packets.empty();
  if (sent) record(tunnel, packets.front());
  for (const std::vector<u8>& packet : packets) {
    const int fd = sockets_.complete(family);
    sent = sendRawPacket(fd, family, packet.data(), packet.size()) == 0 && sent;
    counters_.add(Counters::outerFragments);
  }
  if (!sent) {
    countRefused(counters_, tunnel, 1);
    return;
  }
  countSent(counters_, tunnel, 1, payload.length);
}

void SlowPath::record(const Tunnel& tunnel, const std::vector<u8>& fragment) {
  const OuterPath& path = tunnel.path;
  const bool udp = path.carrier == Carrier::udp;
  // Errors quote raw packets with the Fragment header, and datagrams from behind UDP.
  const bool skipped = udp && path.family == 6 && fragment[6] == kProtocolFragment;
  const size_t outer = path.carrier == Carrier::optimized ? kIpv6Header : path.headers();
  const size_t headers = outer + (skipped ? kFragmentHeader : 0);
  if (headers > fragment.size()) return;
  const iovec part{const_cast<u8*>(fragment.data()) + headers, fragment.size() - headers};
  sent_.record(tunnel.endpoint->identity, &part, 1, fragment.size());
}

}  // namespace sojourn
