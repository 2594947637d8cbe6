// Outer headers of tunnels, and fragmentation of outer packets that are larger than the link.
// RFC 2473 §7.1 (a), RFC 2003 §3.1, RFC 5555 §4.1.
#pragma once
#include <vector>

#include "net/outer-path.h"
#include "net/packet.h"

namespace sojourn {

constexpr size_t kMaximumOuterHeader = kIpv6Header + kHomeAddressHeader;
constexpr u8 kOuterHopLimit = 64;

// Writes the outer IP header, without UDP, for `payload` octets behind it; returns its length.
// `protocol`: of the payload, unless the carrier is UDP.
size_t writeOuterHeader(const OuterPath& path, u8 protocol, u8 trafficClass, size_t payload,
                        u8* out);

constexpr u8 protocolOf(int innerFamily) {
  return innerFamily == 6 ? kProtocolIpv6 : kProtocolIpv4;
}

using Packets = std::vector<std::vector<u8>>;

// The payload of the outer headers: an inner packet, a sealed datagram, or an ESP packet.
struct OuterPayload {
  const u8* data;
  size_t length;
  // Unless the carrier is UDP.
  u8 protocol;
  u8 trafficClass;

  static OuterPayload of(const PacketView& inner) {
    return {.data = inner.data,
            .length = inner.length,
            .protocol = protocolOf(inner.family),
            .trafficClass = inner.trafficClass};
  }
};

struct OuterFragmentation {
  // The largest fragment in octets.
  size_t mtu;
  // UDP only.
  u16 sourcePort;
  u32 identification;
};

// The whole outer packet, with the UDP header and its checksum if the path has one, in fragments
// with DF clear.
Packets encapsulateFragmented(const OuterPath& path, const OuterPayload& payload,
                              const OuterFragmentation& fragmentation);

// Fragments an IPv4 packet without DF (RFC 791 §3.2). Empty if the header alone does not fit.
Packets fragmentIpv4(const PacketView& packet, size_t mtu);

}  // namespace sojourn
