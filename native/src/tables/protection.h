// The protection of the inner packets of a tunnel. The outer path does not depend on it.
#pragma once
#include "net/sealed-datagram.h"

namespace sojourn {

// ESP (RFC 4303) is named by its algorithm, which determines the sizes: AES-GCM with a 16 octet
// integrity check value (RFC 4106), AES-CBC and no encryption, each with HMAC-SHA-256-128 (RFC
// 4868).
enum class Protection : u8 { none = 0, sealed = 1, espGcm = 2, espCbc = 3, espNull = 4 };

inline constexpr Protection kEspProtections[] = {Protection::espGcm, Protection::espCbc,
                                                 Protection::espNull};

constexpr bool isEsp(Protection protection) { return protection >= Protection::espGcm; }

// Whether who knows the inner packet still does not know the outer one.
constexpr bool isSecret(Protection protection) {
  return protection != Protection::none && protection != Protection::espNull;
}

// SPI and sequence number.
constexpr size_t kEspHeader = 8;
// Pad Length and Next Header, behind the padding.
constexpr size_t kEspTrailer = 2;
constexpr size_t kEspIcv = 16;
constexpr size_t kEspGcmIv = 8;
constexpr size_t kEspCbcIv = 16;

constexpr size_t espIv(Protection protection) {
  if (protection == Protection::espNull) return 0;
  return protection == Protection::espGcm ? kEspGcmIv : kEspCbcIv;
}
// Payload, padding and trailer together are a multiple of it.
constexpr size_t espAlignment(Protection protection) {
  return protection == Protection::espCbc ? 16 : 4;
}
// Octets of the ciphertext of `length` octets.
constexpr size_t espText(Protection protection, size_t length) {
  const size_t mask = espAlignment(protection) - 1;
  return (length + kEspTrailer + mask) & ~mask;
}

// Octets around a protected inner packet; of ESP without the padding.
constexpr size_t protectionOverhead(Protection protection) {
  if (protection == Protection::sealed) return kSealedOverhead;
  if (protection == Protection::none) return 0;
  return kEspHeader + espIv(protection) + kEspTrailer + kEspIcv;
}

// Octets of an inner packet of `length` octets once it is protected.
constexpr size_t protectedLength(Protection protection, size_t length) {
  if (!isEsp(protection)) return length + protectionOverhead(protection);
  return kEspHeader + espIv(protection) + espText(protection, length) + kEspIcv;
}

// The largest inner packet whose protected form has at most `room` octets.
constexpr size_t largestInner(Protection protection, size_t room) {
  const size_t overhead = protectionOverhead(protection);
  if (room <= overhead) return 0;
  if (!isEsp(protection)) return room - overhead;
  const size_t text = room - overhead + kEspTrailer;
  const size_t aligned = text & ~(espAlignment(protection) - 1);
  return aligned <= kEspTrailer ? 0 : aligned - kEspTrailer;
}

}  // namespace sojourn
