// ICMP errors of a tunnel's entry point to the inner source: Packet Too Big (RFC 4443 §3.2, RFC
// 2473 §7.1), Fragmentation Needed (RFC 1191 §4, RFC 2003 §5) and unreachable (RFC 2473 §8.2,
// §8.3); and those of a translator about packets that it does not translate (RFC 7915 §4.1, §5.1).
#pragma once
#include <vector>

#include "base/bytes.h"
#include "net/packet.h"

namespace sojourn {

// RFC 4443 §2.4 (f): a token bucket for each packet thread.
class IcmpRateLimit {
 public:
  bool allow(u64 nowMs) {
    const u64 earned = (nowMs - lastMs_) / kMsPerToken;
    if (earned > 0) {
      tokens_ = tokens_ + earned > kBurst ? kBurst : tokens_ + earned;
      lastMs_ = nowMs;
    }
    if (tokens_ == 0) return false;
    tokens_--;
    return true;
  }

 private:
  static constexpr u64 kBurst = 50;
  static constexpr u64 kMsPerToken = 10;
  u64 tokens_ = kBurst;
  u64 lastMs_ = 0;
};

// Each of the following returns the error about `packet`. It is empty where no error is allowed:
// about ICMP errors, multicast, unspecified sources and later fragments. `source` is the address
// that the error comes from. Null: the packet's own destination, which all hosts on the way accept
// from this side. (To IPv4, an own address that arrives on a TUN is a martian.)
std::vector<u8> packetTooBig(const PacketView& packet, size_t mtu, const Address* source);
// Address Unreachable or Host Unreachable. `packet` may be only the beginning of one.
std::vector<u8> unreachable(const PacketView& packet, const Address* source);
std::vector<u8> hopLimitExceeded(const PacketView& packet, const Address* source);
// Erroneous header field. `pointer` counts octets from the beginning of the packet.
std::vector<u8> parameterProblem(const PacketView& packet, u32 pointer, const Address* source);
struct Icmpv6Error {
  u8 type;
  u8 code;
};
// An IPv6 error of the same type and code, but Address Unreachable for a Parameter Problem, whose
// pointer means nothing to the source of the packet.
std::vector<u8> relayedError(const PacketView& packet, const Icmpv6Error& error,
                             const Address& source);
// IPv4 only; empty for an IPv6 packet.
std::vector<u8> sourceRouteFailed(const PacketView& packet, const Address* source);

}  // namespace sojourn
