#include "plane/transmit/sealer.h"

namespace sojourn {

bool Sealer::seal(const Tunnel& tunnel, const PacketView& inner, OutgoingPacket& packet) {
  SendKey* key = shared_.tables.sendKey(tunnel.id);
  if (key == nullptr) {
    counters_.add(Counters::dropNoAssociation);
    return false;
  }
  const size_t size = sizeOf(tunnel, inner.length);
  if (!tunnel.maySend(size)) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return false;
  }
  u8* datagram = arena_.get() + used_;
  if (!key->seal(slot_, datagram + tunnel.path.envelope(), inner.data, inner.length)) {
    counters_.add(Counters::dropKeySpent);
    return false;
  }
  const u32 relayIndex = tunnel.path.relayIndex;
  if (relayIndex != 0) store32(datagram, firstWord(DatagramType::envelope, relayIndex));
  used_ += size;
  packet = {.tunnel = &tunnel,
            .family = inner.family,
            .trafficClass = inner.trafficClass,
            .partCount = 1,
            .parts = {{datagram, size}, {}}};
  return true;
}

}  // namespace sojourn
