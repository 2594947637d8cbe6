// The sealed half of one packet thread's way out: inner packets are put into an arena with room
// around them, and sealed there.
#pragma once
#include <memory>

#include "plane/plane-parts.h"
#include "plane/transmit/batch.h"

namespace sojourn {

class Sealer {
 public:
  Sealer(Shared& shared, Counters& counters, unsigned slot)
      : shared_(shared), counters_(counters), slot_(slot), arena_(new u8[kArena]) {}

  // Something of the arena is in use by messages that have not left.
  bool isFull(const Tunnel& tunnel, size_t length) const {
    return used_ + sizeOf(tunnel, length) > kArena;
  }
  // Where the inner packet of `length` octets is to be written; !isFull.
  u8* place(const Tunnel& tunnel) {
    return arena_.get() + used_ + tunnel.envelope() + kSealedHeader;
  }
  // Seals what was written there into `packet`, which stays until reset(). False, and counted, when
  // there is nothing to seal with.
  bool seal(const Tunnel& tunnel, u8 family, u8 trafficClass, size_t length,
            OutgoingPacket& packet);
  // Everything has left.
  void reset() { used_ = 0; }

 private:
  // Small enough to stay in a core's cache until the kernel has copied it; a super-packet of 64 KiB
  // fits in any case.
  static constexpr size_t kArena = 160 * 1024;

  static size_t sizeOf(const Tunnel& tunnel, size_t length) {
    return tunnel.envelope() + kSealedOverhead + length;
  }

  Shared& shared_;
  Counters& counters_;
  const unsigned slot_;
  size_t used_ = 0;
  std::unique_ptr<u8[]> arena_;
};

}  // namespace sojourn
