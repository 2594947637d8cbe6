// ICMP errors of a tunnel's entry point. They are written to the TUN as if they came out of the
// tunnel.
#pragma once
#include "net/icmp.h"
#include "plane/shared.h"
#include "translate/translate-copy.h"

namespace sojourn {

class ErrorSender {
 public:
  ErrorSender(Counters& counters, int tun) : counters_(counters), tun_(tun) {}

  void packetTooBig(const PacketView& packet, const Tunnel& tunnel, size_t mtu, u64 nowMs);
  // `packet` may be the quoted beginning of a packet.
  void unreachable(const PacketView& packet, const Tunnel& tunnel, u64 nowMs);
  // What a router at `source` says about an IPv6 packet.
  void relay(const PacketView& packet, const Icmpv6Error& error, const Address& source, u64 nowMs);
  // The error for a packet from the TUN that was not translated.
  void untranslated(const PacketView& packet, const Translation& translation, u64 nowMs);

 private:
  bool write(std::vector<u8> error);

  Counters& counters_;
  const int tun_;
  IcmpRateLimit limit_;
};

}  // namespace sojourn
