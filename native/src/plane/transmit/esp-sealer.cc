#include "plane/transmit/esp-sealer.h"

namespace sojourn {

bool EspSealer::seal(const Tunnel& tunnel, const PacketView& inner, OutgoingPacket& packet) {
  EspSendKey* key = shared_.tables.espSendKey(tunnel.id);
  // Another algorithm would not fit: the tunnel is about to change.
  if (key == nullptr || key->protection() != tunnel.protection) {
    counters_.add(Counters::dropNoAssociation);
    return false;
  }
  const size_t size = sizeOf(tunnel, inner.length);
  if (!tunnel.maySend(size)) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return false;
  }
  if (arena_ == nullptr) arena_.reset(new u8[kArena]);
  u8* esp = arena_.get() + used_;
  std::memcpy(esp + key->espOffset(), inner.data, inner.length);
  if (key->seal(slot_, esp, inner.length, protocolOf(inner.family)) == 0) {
    counters_.add(Counters::dropKeySpent);
    return false;
  }
  used_ += size;
  packet = {.tunnel = &tunnel,
            .family = inner.family,
            .trafficClass = inner.trafficClass,
            .partCount = 1,
            .parts = {{esp, size}, {}}};
  return true;
}

}  // namespace sojourn
