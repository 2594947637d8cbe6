// The MTU of the route to an address as it is configured: that of the device, and a smaller one of
// the route or of a router advertisement. The kernel's cache of path MTUs plays no part: any ICMP
// error writes it, because Linux checks no more than the addresses and ports in the quoted packet.
#pragma once
#include "net/outer-path.h"

namespace sojourn {

// 0: no route, or the kernel does not say. Nothing is sent.
size_t routeMtu(const OuterPath& path, int mark);

// What the kernel assumes with that cache, and with the room for transforms (IPsec); 0: no route.
size_t cachedPathMtu(const OuterPath& path, int mark);

}  // namespace sojourn
