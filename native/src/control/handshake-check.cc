#include "control/handshake-check.h"

#include <algorithm>

namespace sojourn {
namespace {

// Both MACs are at the end.
constexpr size_t kMacs = 2 * kShortHmac;
// The header, two public keys, the tags of the second and of an empty payload, and the MACs.
constexpr size_t kShortestInitiation = 96 + 16 + kMacs;

struct Level {
  unsigned bits;
  // A part of the rate of the widest prefix.
  u32 divisor;
};
constexpr Level kLevels6[] = {{64, 4}, {56, 2}, {48, 1}};
constexpr Level kLevels4[] = {{32, 4}, {24, 1}};

}  // namespace

void HandshakeCheck::set(HandshakeKeys&& keys) {
  const std::lock_guard<std::mutex> guard(mutex_);
  keys_ = std::move(keys);
}

HandshakeVerdict HandshakeCheck::check(const u8* initiation, size_t length, int family,
                                       const Address& source, u16 port, u64 nowMs) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!keys_) return HandshakeVerdict::unproved;
  if (length < kShortestInitiation) return HandshakeVerdict::wrongMac;
  const size_t mac1At = length - kMacs;
  if (!keys_->mac1.verify(initiation, mac1At, initiation + mac1At)) {
    return HandshakeVerdict::wrongMac;
  }
  const bool proved = hasCookie(initiation, length, family, source, port);
  const u32 perSecond = proved ? keys_->perSecond : keys_->perSecond * kUnprovedFactor;
  if (!takeTokens(proved ? proved_ : unproved_, perSecond, family, source, nowMs)) {
    return HandshakeVerdict::tooMany;
  }
  return proved ? HandshakeVerdict::proved : HandshakeVerdict::unproved;
}

bool HandshakeCheck::hasCookie(const u8* initiation, size_t length, int family,
                               const Address& source, u16 port) const {
  static constexpr u8 kNone[kShortHmac] = {};
  const size_t mac2At = length - kShortHmac;
  if (std::memcmp(initiation + mac2At, kNone, sizeof kNone) == 0) return false;
  const size_t octets = family == 6 ? 16 : 4;
  u8 endpoint[18];
  std::memcpy(endpoint, source.bytes, octets);
  store16(endpoint + octets, port);
  return std::any_of(keys_->cookieSecrets.begin(), keys_->cookieSecrets.end(),
                     [&](const ShortHmac& secret) {
                       u8 cookie[kShortHmac];
                       secret.sign(endpoint, octets + 2, cookie);
                       return ShortHmac(cookie, sizeof cookie)
                           .verify(initiation, mac2At, initiation + mac2At);
                     });
}

// Of every prefix, or of none.
bool HandshakeCheck::takeTokens(Buckets& buckets, u32 perSecond, int family,
                                const Address& source, u64 nowMs) {
  const size_t count = family == 6 ? std::size(kLevels6) : std::size(kLevels4);
  const Level* levels = family == 6 ? kLevels6 : kLevels4;
  u64 prefixes[3];
  for (size_t at = 0; at < count; at++) {
    const u32 rate = std::max(1u, perSecond / levels[at].divisor);
    prefixes[at] = prefixHash(family, source, levels[at].bits);
    if (!buckets[at].has(prefixes[at], {.perSecond = rate, .burst = rate}, nowMs)) return false;
  }
  for (size_t at = 0; at < count; at++) buckets[at].take(prefixes[at]);
  return true;
}

}  // namespace sojourn
