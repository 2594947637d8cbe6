// Packets that the fast path cannot carry: the outer packet is fragmented (RFC 2473 §7.1 (b), RFC 4213 §3.2) and leaves alone.
#pragma once
#include "outer.h"
#include "plane-parts.h"

namespace sojourn {

class SlowPath {
 public:
  SlowPath(Shared& shared, Counters& counters, const SendSockets& sockets)
      : shared_(shared), counters_(counters), sockets_(sockets) {}

  // `inner` leaves in as many outer fragments as it takes.
  void sendFragmented(const Tunnel& tunnel, const PacketView& inner);

 private:
  Shared& shared_;
  Counters& counters_;
  const SendSockets& sockets_;
  u32 identification_ = 0;
};

}  // namespace sojourn
