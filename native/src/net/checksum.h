// The Internet checksum (RFC 1071), as unfolded sums in host byte order.
#pragma once
#include "base/bytes.h"

namespace sojourn {

// Adds `length` octets to `sum`; an odd last octet counts as if a zero octet followed.
u64 checksumAddLong(const u8* data, size_t length, u64 sum);

inline u64 checksumAddShort(const u8* data, size_t length, u64 sum) {
  size_t at = 0;
  for (; at + 4 <= length; at += 4) sum += raw32(data + at);
  if (at + 2 <= length) {
    sum += raw16(data + at);
    at += 2;
  }
  return at < length ? sum + data[at] : sum;
}

inline u64 checksumAdd(const u8* data, size_t length, u64 sum) {
  return length < 64 ? checksumAddShort(data, length, sum) : checksumAddLong(data, length, sum);
}

inline u16 checksumFold(u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<u16>((sum & 0xffff) + (sum >> 16));
}

// The result is stored with storeRaw16.
inline u16 checksumFinish(u64 sum) { return static_cast<u16>(~checksumFold(sum)); }

// The sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1). The addresses are read from the IP
// header.
inline u64 pseudoHeaderSum(const u8* ip, int family, u8 protocol, size_t length) {
  const u64 addresses =
      family == 6 ? checksumAddShort(ip + 8, 32, 0) : checksumAddShort(ip + 12, 8, 0);
  return addresses + __builtin_bswap16(protocol) + __builtin_bswap32(static_cast<u32>(length));
}

// The checksum over an IPv4 header with its checksum field in place; zero: it is right.
inline u16 ipv4HeaderResidue(const u8* ip, size_t headerLength) {
  return checksumFinish(checksumAddShort(ip, headerLength, 0));
}

inline void writeIpv4Checksum(u8* ip, size_t headerLength) {
  storeRaw16(ip + 10, 0);
  storeRaw16(ip + 10, checksumFinish(checksumAddShort(ip, headerLength, 0)));
}

}  // namespace sojourn
