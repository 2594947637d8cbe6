// Route optimization: a packet travels under its own IPv6 header, in which the care-of address
// stands in place of the home address. The home address is in a type 2 routing header (to a mobile
// node, RFC 6275 §9.3.2) or in a Home Address option (from one, §11.3.1). Upper layers compute
// their checksums over the home address.
#pragma once
#include "net/outer-header.h"

namespace sojourn {

// The headers in front of what is behind the packet's own IPv6 header.
inline constexpr size_t kOptimizedHeaders = kIpv6Header + kHomeAddressHeader;
static_assert(kOptimizedHeaders <= kMaximumOuterHeader);

// Whether the packet takes the path: exactly one of its addresses is a home address, and its first
// extension header may come behind another one (RFC 8200 §4.1).
bool isForOptimizedPath(const OuterPath& path, const PacketView& packet);

// Writes both headers for a packet of `length` octets that isForOptimizedPath; `own` is its IPv6
// header.
void writeOptimizedHeaders(const OuterPath& path, const u8* own, size_t length, u8* out);

// The packet in fragments of at most `mtu` octets (or of the smallest MTU, if that is larger). The
// home address is in front of each Fragment header (RFC 6275 §6.3, §6.4).
Packets fragmentOptimized(const OuterPath& path, const OuterPayload& packet, size_t mtu,
                          u32 identification);

}  // namespace sojourn
