// Packets that the fast path cannot carry: the outer packet is fragmented (RFC 2473 §7.1 (b),
// RFC 4213 §3.2) and sent through a raw socket.
#pragma once
#include "net/outer-header.h"
#include "plane/shared.h"

namespace sojourn {

class SlowPath {
 public:
  SlowPath(Shared& shared, Counters& counters, const SendSockets& sockets)
      : counters_(counters), sent_(shared.sent), sockets_(sockets) {}

  // Sends an inner packet through an unprotected tunnel.
  void sendFragmented(const Tunnel& tunnel, const PacketView& inner) {
    sendFragmented(tunnel, OuterPayload::of(inner));
  }
  // Sends `payload` behind the outer headers as it is.
  void sendFragmented(const Tunnel& tunnel, const OuterPayload& payload);

 private:
  // Records the first fragment; the quotation of another one has no UDP header.
  void record(const Tunnel& tunnel, const std::vector<u8>& fragment);

  Counters& counters_;
  SentRecord& sent_;
  const SendSockets& sockets_;
  u32 identification_ = 0;
};

}  // namespace sojourn
