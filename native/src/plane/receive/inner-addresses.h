// Addresses that no packet out of a tunnel may have. A plain tunnel has no authenticator, so that
// an attacker that can spoof its outer addresses writes the inner ones; what would look like
// traffic of the link or of this host itself is refused.
#pragma once
#include "net/packet.h"

namespace sojourn {

// `this host` (RFC 1122 §3.2.1.3), loopback, link-local; unspecified, IPv4-mapped and
// IPv4-compatible (RFC 4291 §2.5), link-local.
inline bool isLocalScope(int family, const u8* address) {
  if (family == 6) {
    return (address[0] == 0 && address[1] == 0) ||
           (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
  }
  return address[0] == 0 || address[0] == 127 || (address[0] == 169 && address[1] == 254);
}

// Multicast; IPv4 also reserved and broadcast.
inline bool isGroup(int family, const u8* address) {
  return family == 6 ? address[0] == 0xff : address[0] >= 224;
}

inline bool hasTunnelScope(const PacketView& view) {
  const u8* source = view.source();
  return !isLocalScope(view.family, source) && !isGroup(view.family, source) &&
         !isLocalScope(view.family, view.destination());
}

}  // namespace sojourn
