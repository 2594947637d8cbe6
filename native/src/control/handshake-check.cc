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

struct SourceEndpoint {
  u8 octets[18];
  size_t length;

  SourceEndpoint(int family, const Address& address, u16 port) : length(family == 6 ? 18 : 6) {
    std::memcpy(octets, address.bytes, length - 2);
    store16(octets + length - 2, port);
  }
};

bool isSameNewest(const std::vector<ShortHmac>& one, const std::vector<ShortHmac>& other) {
  if (one.empty() || other.empty()) return one.empty() && other.empty();
  static constexpr u8 kAnything = 0;
  u8 mac[kShortHmac];
  one.front().sign(&kAnything, sizeof kAnything, mac);
  return other.front().verify(&kAnything, sizeof kAnything, mac);
}

}  // namespace

void HandshakeCheck::set(HandshakeKeys&& keys, u64 nowMs) {
  const std::lock_guard<std::mutex> guard(mutex_);
  // Another rate does not make secrets any younger.
  if (!keys_ || !isSameNewest(keys_->cookieSecrets, keys.cookieSecrets)) setAtMs_ = nowMs;
  sealer_ = std::make_unique<CookieSealer>(keys.cookieKey);
  keys_ = std::move(keys);
}

HandshakeVerdict HandshakeCheck::check(const u8* initiation, size_t length, int family,
                                       const Address& source, u16 port, u64 nowMs,
                                       CookieReply& reply) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!keys_) return HandshakeVerdict::unproved;
  if (length < kShortestInitiation) return HandshakeVerdict::wrongMac;
  const size_t mac1At = length - kMacs;
  if (!keys_->mac1.verify(initiation, mac1At, initiation + mac1At)) {
    return HandshakeVerdict::wrongMac;
  }
  if (hasCookie(initiation, length, family, source, port, nowMs)) {
    return takeTokens(proved_, keys_->perSecond, family, source, nowMs)
               ? HandshakeVerdict::proved
               : HandshakeVerdict::tooMany;
  }
  // Without a new secret, the engine decides: it makes one once it is under load.
  const bool fresh = nowMs < setAtMs_ + kSecretMs;
  if (keys_->cookieSecrets.empty() || !fresh) return HandshakeVerdict::unproved;
  const u32 all = kUnprovedFactor * keys_->perSecond;
  if (takeTokens(unproved_, keys_->perSecond, family, source, nowMs) &&
      allUnproved_.take({.perSecond = all, .burst = all}, nowMs)) {
    return HandshakeVerdict::unproved;
  }
  return answer(initiation, length, family, source, port, nowMs, reply)
             ? HandshakeVerdict::cookie
             : HandshakeVerdict::tooMany;
}

bool HandshakeCheck::answer(const u8* initiation, size_t length, int family,
                            const Address& source, u16 port, u64 nowMs, CookieReply& reply) {
  const u64 prefix = prefixHash(family, source, family == 6 ? 64 : 32);
  if (!cookiesOfAddress_.has(prefix, kCookiesOfAddress, nowMs)) return false;
  if (!allCookies_.take(kCookies, nowMs)) return false;
  cookiesOfAddress_.take(prefix);
  const SourceEndpoint endpoint(family, source, port);
  u8 cookie[kShortHmac];
  keys_->cookieSecrets.front().sign(endpoint.octets, endpoint.length, cookie);
  return sealer_->seal(datagramIndex(initiation), initiation + length - kMacs, cookie, reply);
}

bool HandshakeCheck::hasCookie(const u8* initiation, size_t length, int family,
                               const Address& source, u16 port, u64 nowMs) const {
  static constexpr u8 kNone[kShortHmac] = {};
  const size_t mac2At = length - kShortHmac;
  if (std::memcmp(initiation + mac2At, kNone, sizeof kNone) == 0) return false;
  const SourceEndpoint endpoint(family, source, port);
  // Each secret is valid for one period after the one in which it is the newest: the engine sets
  // no others while it is not under load.
  u64 endsAtMs = setAtMs_ + 2 * kSecretMs;
  for (const ShortHmac& secret : keys_->cookieSecrets) {
    if (nowMs >= endsAtMs) return false;
    endsAtMs -= kSecretMs;
    u8 cookie[kShortHmac];
    secret.sign(endpoint.octets, endpoint.length, cookie);
    const ShortHmac key(cookie, sizeof cookie);
    if (key.verify(initiation, mac2At, initiation + mac2At)) return true;
  }
  return false;
}

// Of every prefix, or of none.
bool HandshakeCheck::takeTokens(Buckets& buckets, u32 perSecond, int family,
                                const Address& source, u64 nowMs) {
  const size_t count = family == 6 ? std::size(kLevels6) : std::size(kLevels4);
  const Level* levels = family == 6 ? kLevels6 : kLevels4;
  u64 prefixes[kLevels];
  for (size_t at = 0; at < count; at++) {
    prefixes[at] = prefixHash(family, source, levels[at].bits);
  }
  const bool newcomer = buckets.newcomers.has(prefixes[0], kNewcomer, nowMs);
  for (size_t at = 0; at < count; at++) {
    const u32 rate = std::max(1u, perSecond / levels[at].divisor);
    const u32 burst = at == 0 || newcomer ? rate : rate - rate / 4;
    if (!buckets.levels[at].has(prefixes[at], {.perSecond = rate, .burst = burst}, nowMs)) {
      return false;
    }
  }
  for (size_t at = 0; at < count; at++) buckets.levels[at].take(prefixes[at]);
  if (newcomer) buckets.newcomers.take(prefixes[0]);
  return true;
}

}  // namespace sojourn
