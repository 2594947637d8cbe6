// The outer path of a tunnel or of a relay leg: the addresses, port and headers of its outer
// packets. The protection of the inner packets is independent of it (tables/protection.h).
#pragma once
#include "net/sealed-datagram.h"

namespace sojourn {

// Every path passes it: RFC 8200 §5; and RFC 791 §3.1, no host need receive more.
inline constexpr size_t smallestPathMtu(u8 family) { return family == 6 ? kIpv6MinimumMtu : 576; }

// The carrier of the inner or protected packet: the outer IP header itself (RFC 2473, RFC 2003, RFC
// 4213), a UDP header behind it (RFC 5555 §4.1), or no other header than the packet's own, with the
// home address behind it (net/optimized.h).
enum class Carrier : u8 { ip = 0, udp = 1, optimized = 2 };

// A type 2 routing header, or a Destination Options header with a Home Address option.
inline constexpr size_t kHomeAddressHeader = 24;

// The local port is not part of the path: it is the port of the sending socket.
struct OuterPath {
  Carrier carrier = Carrier::udp;
  u8 family = 4;
  // UDP only.
  u16 remotePort = 0;
  // UDP only: `remote` is a relay and this is the index of a leg there; 0: no relay.
  u32 relayIndex = 0;
  Address local{};
  Address remote{};

  size_t envelope() const { return relayIndex == 0 ? 0 : kRelayEnvelope; }
  size_t headers() const {
    if (carrier == Carrier::optimized) return kHomeAddressHeader;
    const size_t ip = family == 6 ? kIpv6Header : kIpv4Header;
    return ip + (carrier == Carrier::udp ? kUdpHeader : 0);
  }
};

}  // namespace sojourn
