// Errors that a tunnel's entry point sends to the inner source: ICMPv6 Packet Too Big (RFC 4443
// §3.2, RFC 2473 §7.1), ICMPv4 Fragmentation Needed (RFC 1191 §4, RFC 2003 §5), and that the tunnel
// leads nowhere (RFC 2473 §8.2, §8.3); those that a translator sends about what it refuses (RFC
// 7915 §4.1, §5.1).
#pragma once
#include <vector>

#include "base/bytes.h"
#include "net/packet.h"

namespace sojourn {

// RFC 4443 §2.4 (f): a token bucket, one per packet thread.
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

// The error for `packet`, or nothing where none may be sent: to ICMP errors, multicast, unspecified
// sources, later fragments. `source` is the address that the error comes from; null: the packet's
// own destination, the one address that every host between accepts from this side (an own address
// that arrives on a TUN is a martian to IPv4).
std::vector<u8> packetTooBig(const PacketView& packet, size_t mtu, const Address* source);
// Address Unreachable or Host Unreachable, under the same conditions; `packet` may be its beginning
// only.
std::vector<u8> unreachable(const PacketView& packet, const Address* source);
std::vector<u8> hopLimitExceeded(const PacketView& packet, const Address* source);
// Erroneous header field; `pointer` counts octets from the beginning of the packet.
std::vector<u8> parameterProblem(const PacketView& packet, u32 pointer, const Address* source);
// Of IPv4 only: nothing about an IPv6 packet.
std::vector<u8> sourceRouteFailed(const PacketView& packet, const Address* source);

}  // namespace sojourn
