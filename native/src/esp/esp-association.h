// The security associations of ESP tunnels as packet threads use them: RFC 4303 §3.3 and §3.4 in
// tunnel mode, without fragmentation.
#pragma once
#include <memory>

#include "base/seeded-hash.h"
#include "esp/esp-cipher.h"
#include "esp/esp-counter.h"
#include "seal/replay-window.h"
#include "seal/roaming-notice-limit.h"
#include "seal/sealing-key.h"

namespace sojourn {

// IPv6 No Next Header: a packet whose payload is discarded (RFC 4303 §2.6).
constexpr u8 kEspDummy = kProtocolNone;

// The association that a tunnel sends with.
struct EspSendKey {
  using Key = u32;
  static constexpr unsigned kSequenceBits = 40;

  u32 tunnel;
  u32 spi;
  // Differs from start to start: initialization vectors stay unique even if the record of used
  // sequence numbers is lost.
  u32 epoch;
  EspCiphers ciphers;
  std::shared_ptr<EspCounter> counter;

  Protection protection() const { return ciphers.key().algorithm; }
  // The ESP packet around the `length` octets that begin espOffset() octets into `packet`; returns
  // its length, protectedLength(). 0: the lease of sequence numbers has ended.
  size_t seal(unsigned slot, u8* packet, size_t length, u8 nextHeader) {
    const u64 sequence = counter->next();
    if (sequence == 0) return 0;
    const size_t offset = espOffset();
    const size_t text = espText(protection(), length);
    const size_t padding = text - length - kEspTrailer;
    u8* behind = packet + offset + length;
    for (size_t at = 0; at < padding; at++) behind[at] = static_cast<u8>(at + 1);
    behind[padding] = static_cast<u8>(padding);
    behind[padding + 1] = nextHeader;
    store32(packet, spi);
    store32(packet + 4, static_cast<u32>(sequence));
    const u64 nonce = u64{epoch} << kSequenceBits | sequence;
    if (!ciphers.of(slot).seal(sequence, nonce, packet, text)) return 0;
    return offset + text + kEspIcv;
  }
  size_t espOffset() const { return kEspHeader + espIv(protection()); }

  Key key() const { return tunnel; }
  bool matches(Key other) const { return tunnel == other; }
  static u64 hash(Key key) { return mixKey(key, 4); }
  static void release(EspSendKey* key) { delete key; }
};

// What an ESP packet carries: `length` octets, `offset` octets into it.
struct EspPayload {
  size_t offset = 0;
  size_t length = 0;
  u8 nextHeader = 0;
};

// The association of an SPI at which this host receives, and the tunnel that it belongs to.
struct EspReceiveKey {
  using Key = u32;

  u32 spi;
  u32 tunnel;
  EspCiphers ciphers;
  std::shared_ptr<ReplayWindow> window;
  std::shared_ptr<RoamingNoticeLimit> notices;

  Protection protection() const { return ciphers.key().algorithm; }
  // In place.
  OpenResult open(unsigned slot, u8* packet, size_t length, EspPayload& payload) {
    const size_t offset = kEspHeader + espIv(protection());
    if (length < offset + kEspIcv) return OpenResult::malformed;
    const size_t text = length - offset - kEspIcv;
    if (text == 0 || text % espAlignment(protection()) != 0) return OpenResult::malformed;
    const u32 low = load32(packet + 4);
    const u64 sequence = ciphers.key().extended ? recoverCounter(window->top(), low) : low;
    if (!window->mayAccept(sequence)) return OpenResult::replayed;
    if (!ciphers.of(slot).open(sequence, packet, text)) return OpenResult::forged;
    if (!window->accept(sequence)) return OpenResult::replayed;
    return readTrailer(packet + offset, text, payload, offset) ? OpenResult::packet
                                                               : OpenResult::malformed;
  }

  Key key() const { return spi; }
  bool matches(Key other) const { return spi == other; }
  static u64 hash(Key key) { return mixKey(key, 5); }
  static void release(EspReceiveKey* key) { delete key; }

 private:
  // False unless the padding is 1, 2, 3, … (RFC 4303 §2.4).
  static bool readTrailer(const u8* text, size_t length, EspPayload& payload, size_t offset) {
    const size_t padding = text[length - kEspTrailer];
    if (padding + kEspTrailer > length) return false;
    const size_t inner = length - kEspTrailer - padding;
    for (size_t at = 0; at < padding; at++) {
      if (text[inner + at] != at + 1) return false;
    }
    payload = {.offset = offset, .length = inner, .nextHeader = text[length - 1]};
    return true;
  }
};

}  // namespace sojourn
