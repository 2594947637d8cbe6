// Unaligned big-endian access and the value types that all parts share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sojourn {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

inline u16 load16(const u8* at) { return static_cast<u16>(at[0] << 8 | at[1]); }
inline u32 load32(const u8* at) {
  u32 raw;
  std::memcpy(&raw, at, 4);
  return __builtin_bswap32(raw);
}
inline void store16(u8* at, u32 value) {
  at[0] = static_cast<u8>(value >> 8);
  at[1] = static_cast<u8>(value);
}
inline void store32(u8* at, u32 value) {
  const u32 raw = __builtin_bswap32(value);
  std::memcpy(at, &raw, 4);
}
// Host order: for comparisons and for one's complement sums, which do not depend on the byte order
// (RFC 1071 §2).
inline u16 raw16(const u8* at) {
  u16 raw;
  std::memcpy(&raw, at, 2);
  return raw;
}
inline u32 raw32(const u8* at) {
  u32 raw;
  std::memcpy(&raw, at, 4);
  return raw;
}
inline u64 raw64(const u8* at) {
  u64 raw;
  std::memcpy(&raw, at, 8);
  return raw;
}
inline void storeRaw16(u8* at, u16 raw) { std::memcpy(at, &raw, 2); }

// An IPv4 address uses the first four octets; the others are zero, so that one comparison of
// sixteen octets serves both families.
struct Address {
  u8 bytes[16] = {};

  static Address of(int family, const u8* from) {
    Address address;
    std::memcpy(address.bytes, from, family == 6 ? 16 : 4);
    return address;
  }
  u64 high() const { return raw64(bytes); }
  u64 low() const { return raw64(bytes + 8); }
  bool operator==(const Address& other) const {
    return high() == other.high() && low() == other.low();
  }
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "load32, store32 and prefix masks assume a little-endian host");

constexpr u8 kProtocolHopByHop = 0;
constexpr u8 kProtocolIcmp = 1;
constexpr u8 kProtocolIpv4 = 4;
constexpr u8 kProtocolTcp = 6;
constexpr u8 kProtocolUdp = 17;
constexpr u8 kProtocolIpv6 = 41;
constexpr u8 kProtocolRouting = 43;
constexpr u8 kProtocolFragment = 44;
constexpr u8 kProtocolEsp = 50;
constexpr u8 kProtocolIcmpv6 = 58;
constexpr u8 kProtocolNone = 59;
constexpr u8 kProtocolDestination = 60;
constexpr u8 kProtocolMobility = 135;

constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kUdpHeader = 8;
constexpr size_t kIpv6MinimumMtu = 1280;
// The largest UDP payload over IPv4.
constexpr size_t kMaximumDatagram = 65507;

}  // namespace sojourn
