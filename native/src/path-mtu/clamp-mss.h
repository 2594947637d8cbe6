// Lowers the Maximum Segment Size of TCP SYNs that cross a tunnel (RFC 9293 §3.7.1, RFC 4459 §3.2),
// so that segments fit into the tunnel even where Packet Too Big is filtered.
#pragma once
#include "net/packet.h"
#include "tables/tunnel.h"

namespace sojourn {

constexpr u8 kTcpSyn = 0x02;

// True if the MSS option of a SYN or SYN-ACK was larger than fits into `mtu` octets of inner packet
// and is lowered now; the checksum is updated. `view.data` is a whole packet with its checksum.
bool lowerMss(const PacketView& view, u32 tcpOffset, size_t mtu);

inline bool clampMss(const PacketView& view, const Tunnel& tunnel) {
  u32 offset = view.headerLength;
  if (view.protocol != kProtocolTcp) {
    // TCP behind extension headers is rare.
    if (view.family != 6 || !isExtensionHeader(view.protocol)) return false;
    const UpperLayer upper = upperLayer(view);
    if (upper.protocol != kProtocolTcp) return false;
    offset = upper.offset;
  } else if (view.fragment) {
    return false;
  }
  if (offset + 20 > view.length || (view.data[offset + 13] & kTcpSyn) == 0) return false;
  return lowerMss(view, offset, tunnel.effectiveMtu());
}

}  // namespace sojourn
