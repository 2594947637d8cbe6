// ICMP errors of a tunnel's entry point, written to the TUN as if they came from inside the tunnel.
#pragma once
#include "net/icmp.h"
#include "plane/plane-parts.h"
#include "translate/translate-copy.h"

namespace sojourn {

class ErrorSender {
 public:
  ErrorSender(Counters& counters, int tun) : counters_(counters), tun_(tun) {}

  void packetTooBig(const PacketView& packet, const Tunnel& tunnel, size_t mtu, u64 nowMs);
  // `packet` may be the quoted beginning of one.
  void unreachable(const PacketView& packet, const Tunnel& tunnel, u64 nowMs);
  // `packet` came from the TUN and was not translated.
  void refuse(const PacketView& packet, const Translation& translation, u64 nowMs);

 private:
  bool write(std::vector<u8> error);

  Counters& counters_;
  const int tun_;
  RateLimit limit_;
};

}  // namespace sojourn
