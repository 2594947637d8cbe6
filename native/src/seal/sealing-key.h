// The keys of sealed tunnels as packet threads use them. The nonce and the recovery of the
// counter's upper half follow RFC 4303 §3.4.3 and appendix A2.
#pragma once
#include <memory>

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

  // `datagram` has room for the header and the tag around the `length` octets of the inner packet,
  // which are in place. False if the key is used up.
  bool seal(unsigned slot, u8* datagram, size_t length);

  Key key() const { return tunnel; }
  bool matches(Key other) const { return tunnel == other; }
  static u64 hash(Key key);
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
  OpenResult open(unsigned slot, u8* datagram, size_t length);

  Key key() const { return spi; }
  bool matches(Key other) const { return spi == other; }
  static u64 hash(Key key);
  static void release(ReceiveKey* key) { delete key; }
};

}  // namespace sojourn
