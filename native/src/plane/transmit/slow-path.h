// Packets that the fast path cannot carry: the outer packet is fragmented (RFC 2473 §7.1 (b), RFC
// 4213 §3.2) and leaves alone.
#pragma once
#include "net/outer-header.h"
#include "plane/plane-parts.h"

namespace sojourn {

class SlowPath {
 public:
  SlowPath(Counters& counters, const SendSockets& sockets)
      : counters_(counters), sockets_(sockets) {}

  // `inner` leaves in as many outer fragments as it takes. For tunnels that are not sealed.
  void sendFragmented(const Tunnel& tunnel, const PacketView& inner) {
    sendFragmented(tunnel, OuterPayload::of(inner));
  }
  // The same with what stands behind the UDP header as it is: a sealed datagram.
  void sendFragmented(const Tunnel& tunnel, const OuterPayload& payload);

 private:
  Counters& counters_;
  const SendSockets& sockets_;
  u32 identification_ = 0;
};

}  // namespace sojourn
