// Datagrams on the sealed port (docs/reference/ntmobile.md §3, docs/reference/sealed-mobile-ipv6.md
// §2). The first word holds the type in its upper four bits and an SPI, or a relay index, in its
// lower 28.
#pragma once
#include "base/bytes.h"

namespace sojourn {

enum class DatagramType : u8 {
  data = 1,
  mobility = 8,  // a sealed control packet of Mobile IPv6
  control = 9,
  initiation = 10,
  response = 11,
  cookie = 12,
  envelope = 13,  // carries a whole datagram of another type to or from a relay
};

constexpr u32 kSpiMask = 0x0fffffff;

inline u32 firstWord(DatagramType type, u32 value) { return static_cast<u32>(type) << 28 | value; }
inline DatagramType datagramType(const u8* datagram) {
  return static_cast<DatagramType>(datagram[0] >> 4);
}
// Where one port has plain tunnels too (RFC 5555 §4.1), their datagrams begin with the version of
// an IP header, which no type has.
inline bool isPlainInner(const u8* datagram) {
  return datagram[0] >> 4 == 4 || datagram[0] >> 4 == 6;
}
// The SPI, or of an envelope the relay index.
inline u32 datagramIndex(const u8* datagram) { return load32(datagram) & kSpiMask; }

// A data datagram: the first word, the low half of the counter, the ciphertext, the tag.
constexpr size_t kSealedHeader = 8;
constexpr size_t kSealTag = 16;
constexpr size_t kSealedOverhead = kSealedHeader + kSealTag;

// The octets of an envelope in front of the datagram that it carries.
constexpr size_t kRelayEnvelope = 4;

}  // namespace sojourn
