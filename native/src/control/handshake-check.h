// The checks of a handshake initiation that need no public-key operation, before JavaScript sees it
// (docs/reference/ntmobile.md §4.1, §4.4): MAC1, then the cookie, then the rate of the address's
// prefixes. The engine sets the keys once it is under load.
//
// Anybody can write a victim's source address on initiations. What they use up is kept apart from
// what a cookie gives access to, and is never the last chance of an initiator: whatever is above
// the rate of its source gets a cookie here, so that a victim that is really there can return it.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "control/cookie-reply.h"
#include "control/prefix-buckets.h"

namespace sojourn {

struct HandshakeKeys {
  ShortHmac mac1;
  // Cookies are made with these; the newest comes first.
  std::vector<ShortHmac> cookieSecrets;
  // Seals cookie replies.
  u8 cookieKey[32] = {};
  // Of an IPv4 /24 or an IPv6 /48; an address gets a quarter. Initiations without a cookie have as
  // many of their own.
  u32 perSecond = 0;
};

enum class HandshakeVerdict : u8 {
  unproved,  // no keys are set, or the cookie is missing or wrong: the engine decides
  proved,    // the sender is at its source address
  wrongMac,
  cookie,   // the cookie is missing or wrong: a cookie reply answers it
  tooMany,  // above the rate of a prefix, or of cookie replies
};

class HandshakeCheck {
 public:
  void set(HandshakeKeys&& keys, u64 nowMs);
  // Any thread. `reply` is written for the verdict `cookie`.
  HandshakeVerdict check(const u8* initiation, size_t length, int family, const Address& source,
                         u16 port, u64 nowMs, CookieReply& reply);

 private:
  static constexpr size_t kLevels = 3;
  // As long as the engine uses its newest secret for new cookies.
  static constexpr u64 kSecretMs = 120'000;
  // Of all sources together, as a multiple of `perSecond`: the engine's work for initiations whose
  // source may be forged.
  static constexpr u32 kUnprovedFactor = 4;
  // Cookie replies. A reply is less than half as long as the shortest initiation.
  static constexpr TokenRate kCookies{.perSecond = 32'768, .burst = 8'192};
  static constexpr TokenRate kCookiesOfAddress{.perSecond = 16'384, .burst = 4'096};
  // An address or /64 with fewer handshakes lately may use the part of its network's rate that is
  // out of reach for others: a few hosts cannot take the rate of a whole network.
  static constexpr TokenRate kNewcomer{.perSecond = 1, .burst = 4};

  struct Buckets {
    PrefixBuckets levels[kLevels];
    PrefixBuckets newcomers;
  };

  bool hasCookie(const u8* initiation, size_t length, int family, const Address& source,
                 u16 port, u64 nowMs) const;
  bool answer(const u8* initiation, size_t length, int family, const Address& source, u16 port,
              u64 nowMs, CookieReply& reply);
  static bool takeTokens(Buckets& buckets, u32 perSecond, int family, const Address& source,
                         u64 nowMs);

  std::mutex mutex_;
  std::optional<HandshakeKeys> keys_;
  // When the newest secret was set first.
  u64 setAtMs_ = 0;
  std::unique_ptr<CookieSealer> sealer_;
  Buckets proved_;
  Buckets unproved_;
  TokenBucket allUnproved_;
  PrefixBuckets cookiesOfAddress_;
  TokenBucket allCookies_;
};

}  // namespace sojourn
