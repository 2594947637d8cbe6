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

// The same for a packet that mayNeedClamping().
bool clampMss(const PacketView& view, const Tunnel& tunnel);

// False for nearly all packets: those that are no SYN.
inline bool mayNeedClamping(const PacketView& view) {
  if (!hasTrait(view.protocol, kTraitTcp | kTraitExtension)) return false;
  const u32 flags = view.headerLength + 13u;
  return view.protocol != kProtocolTcp ||
         (flags < view.length && (view.data[flags] & kTcpSyn) != 0);
}

}  // namespace sojourn
