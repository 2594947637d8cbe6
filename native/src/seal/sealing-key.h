// The keys of sealed tunnels as packet threads use them. The nonce and the recovery of the
// counter's upper half follow RFC 4303 §3.4.3 and appendix A2.
#pragma once
#include <memory>

#include "base/seeded-hash.h"
#include "seal/aead.h"
#include "seal/replay-window.h"
#include "seal/roaming-notice-limit.h"
#include "seal/send-counter.h"

namespace sojourn {

// The key that a tunnel sends with.
struct SendKey {
  using Key = u32;

  u32 tunnel;
  u32 spi;
  AeadContexts contexts;
  std::shared_ptr<SendCounter> counter;

  // `datagram` has room for the header, the `length` octets of the inner packet and the tag.
  // `inner` is in its place there, or elsewhere. False if the key is used up.
  bool seal(unsigned slot, u8* datagram, const u8* inner, size_t length) {
    const u64 value = counter->next();
    if (value == 0) return false;
    store32(datagram, firstWord(DatagramType::data, spi));
    store32(datagram + 4, static_cast<u32>(value));
    return contexts.of(slot).seal(value, datagram, inner, length);
  }

  Key key() const { return tunnel; }
  bool matches(Key other) const { return tunnel == other; }
  static u64 hash(Key key) { return mixKey(key, 1); }
  static void release(SendKey* key) { delete key; }
};

enum class OpenResult { packet, malformed, replayed, forged };

// The key that opens datagrams with one of this host's SPIs, and the tunnel that it belongs to.
struct ReceiveKey {
  using Key = u32;

  u32 spi;
  u32 tunnel;
  AeadContexts contexts;
  std::shared_ptr<ReplayWindow> window;
  std::shared_ptr<RoamingNoticeLimit> notices;

  // In place: the inner packet begins kSealedHeader octets into `datagram` and has
  // `length` - kSealedOverhead octets.
  OpenResult open(unsigned slot, u8* datagram, size_t length) {
    if (length <= kSealedOverhead) return OpenResult::malformed;
    const u64 value = recoverCounter(window->top(), load32(datagram + 4));
    if (!window->mayAccept(value)) return OpenResult::replayed;
    if (!contexts.of(slot).open(value, datagram, length - kSealedOverhead)) {
      return OpenResult::forged;
    }
    return window->accept(value) ? OpenResult::packet : OpenResult::replayed;
  }

  Key key() const { return spi; }
  bool matches(Key other) const { return spi == other; }
  static u64 hash(Key key) { return mixKey(key, 2); }
  static void release(ReceiveKey* key) { delete key; }
};

}  // namespace sojourn
