#include "plane/transmit/sealer.h"

namespace sojourn {

bool Sealer::seal(const Tunnel& tunnel, u8 family, u8 trafficClass, size_t length,
                  OutgoingPacket& packet) {
  SendAssociation* association = shared_.tables.sender(tunnel.id);
  if (association == nullptr) {
    counters_.add(Counters::dropNoAssociation);
    return false;
  }
  if (!tunnel.mayTake(sizeOf(tunnel, length))) {
    counters_.add(Counters::dropTunnelUnvalidated);
    return false;
  }
  u8* datagram = arena_.get() + used_;
  if (!association->seal(slot_, datagram + tunnel.envelope(), length)) {
    counters_.add(Counters::dropKeySpent);
    return false;
  }
  if (tunnel.relayIndex != 0) {
    store32(datagram, static_cast<u32>(DatagramType::envelope) << 28 | tunnel.relayIndex);
  }
  const size_t size = sizeOf(tunnel, length);
  used_ += size;
  packet = {&tunnel, family, trafficClass, 1, {{datagram, size}, {}}};
  return true;
}

}  // namespace sojourn
