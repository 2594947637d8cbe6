// Packets that the fast path cannot carry: the outer packet is fragmented (RFC 2473 §7.1 (b),
// RFC 4213 §3.2) and sent through a raw socket.
#pragma once
#include "net/outer-header.h"
#include "plane/shared.h"

namespace sojourn {

class SlowPath {
 public:
  SlowPath(Counters& counters, const SendSockets& sockets)
      : counters_(counters), sockets_(sockets) {}

  // Sends an inner packet through an unprotected tunnel.
  void sendFragmented(const Tunnel& tunnel, const PacketView& inner) {
    sendFragmented(tunnel, OuterPayload::of(inner));
  }
  // Sends `payload` behind the outer headers as it is: an inner packet or a sealed datagram.
  void sendFragmented(const Tunnel& tunnel, const OuterPayload& payload);

 private:
  Counters& counters_;
  const SendSockets& sockets_;
  u32 identification_ = 0;
};

}  // namespace sojourn
