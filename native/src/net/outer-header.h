// Outer headers of tunnels: writing them, and fragmenting a packet that is larger than the link can
// carry. RFC 2473 §7.1 (a), RFC 2003 §3.1, RFC 5555 §4.1.
#pragma once
#include <vector>

#include "base/bytes.h"
#include "net/packet.h"
#include "tables/tables.h"

namespace sojourn {

constexpr size_t kMaximumOuterHeader = kIpv6Header;
constexpr u8 kOuterHopLimit = 64;

// Writes the outer IP header (no UDP) for `inner` octets behind it, to `out`; gives its length.
size_t writeOuterHeader(const Tunnel& tunnel, int innerFamily, u8 trafficClass, size_t inner,
                        u8* out);

using Packets = std::vector<std::vector<u8>>;

// What the outer IP header, or the UDP header behind it, is followed by: an inner packet, or a
// sealed datagram.
struct OuterPayload {
  const u8* data;
  size_t length;
  u8 innerFamily;
  u8 trafficClass;

  static OuterPayload of(const PacketView& inner) {
    return {inner.data, inner.length, inner.family, inner.trafficClass};
  }
};

// The whole outer packet (IP, but for ipip also the UDP header with checksum), cut into fragments
// of at most `mtu` octets, DF clear.
Packets encapsulateFragmented(const Tunnel& tunnel, const OuterPayload& payload, size_t mtu,
                              u16 sourcePort, u32 identification);

// RFC 791 §3.2 fragmentation of an IPv4 packet without DF. Empty when the header alone does not
// fit.
Packets fragmentIpv4(const PacketView& packet, size_t mtu);

}  // namespace sojourn
