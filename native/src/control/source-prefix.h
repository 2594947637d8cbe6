// The prefixes that a source address lies in. One attacker has many addresses, but few prefixes, so
// queues and budgets go by prefix. Prefixes are known by seeded hashes: an attacker cannot choose
// two that collide.
#pragma once
#include "base/bytes.h"

namespace sojourn {

// The hash of the first `bits` of an address, a multiple of eight.
u64 prefixHash(int family, const Address& address, unsigned bits);

// From the widest to the narrowest: IPv6 /32, /48, /64; IPv4 /16, /24, /32.
struct SourcePrefixes {
  static constexpr int kLevels = 3;
  u64 hash[kLevels];

  // `part` tells senders behind one address apart, such as those behind a relay.
  static SourcePrefixes of(int family, const Address& address, u64 part = 0);
  // A sender that is no address: a host on a link, a tunnel, the plane itself.
  static SourcePrefixes ofSender(u64 group, u64 sender);
};

}  // namespace sojourn
