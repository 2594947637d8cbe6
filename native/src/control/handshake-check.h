// The checks of a handshake initiation that need no public-key operation, before JavaScript sees it
// (docs/reference/ntmobile.md §4.1, §4.4): MAC1, then the cookie, then the rate of the address's
// prefixes. The engine sets the keys once it is under load.
#pragma once
#include <mutex>
#include <optional>
#include <vector>

#include "control/prefix-buckets.h"
#include "control/short-hmac.h"

namespace sojourn {

struct HandshakeKeys {
  ShortHmac mac1;
  // Cookies are made with these; the newest comes first.
  std::vector<ShortHmac> cookieSecrets;
  // Of an IPv4 /24 or an IPv6 /48; an address gets a quarter. Without a cookie, which costs the
  // engine an answer and no public-key operation, each gets kUnprovedFactor times as many.
  u32 perSecond;
};

enum class HandshakeVerdict : u8 {
  unproved,  // no keys are set, or the cookie is missing or wrong: the engine decides
  proved,    // the sender is at its source address
  wrongMac,
  tooMany,   // above the rate of a prefix
};

class HandshakeCheck {
 public:
  void set(HandshakeKeys&& keys);
  // Any thread.
  HandshakeVerdict check(const u8* initiation, size_t length, int family, const Address& source,
                         u16 port, u64 nowMs);

 private:
  bool hasCookie(const u8* initiation, size_t length, int family, const Address& source,
                 u16 port) const;
  // By prefix length. Those without a cookie have their own: anybody can write a source address.
  using Buckets = PrefixBuckets[3];
  static constexpr u32 kUnprovedFactor = 8;
  static bool takeTokens(Buckets& buckets, u32 perSecond, int family, const Address& source,
                         u64 nowMs);

  std::mutex mutex_;
  std::optional<HandshakeKeys> keys_;
  Buckets proved_;
  Buckets unproved_;
};

}  // namespace sojourn
