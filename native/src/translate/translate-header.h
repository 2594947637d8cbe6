// The parts of an IP header that survive translation, read from either family and written as the
// other. RFC 7915 §4.1, §5.1.
#pragma once
#include "base/bytes.h"
#include "net/checksum.h"
#include "translate/translate.h"

namespace sojourn {

struct IpFields {
  u8 family = 0;
  u8 trafficClass = 0;
  u8 hopLimit = 0;
  u8 protocol = 0;              // behind all IPv6 extension headers
  bool fragmentHeader = false;  // IPv6 only; true for atomic fragments too (RFC 6946)
  bool dontFragment = false;    // IPv4 only
  // As in a Fragment Header: offset in the upper 13 bits, M in the lowest. Zero: not a fragment.
  u16 fragment = 0;
  u16 identification = 0;  // low-order 16 bits
  u32 headerLength = 0;    // with options, with extension headers
  u32 payload = 0;         // octets behind the headers, by the header
  u32 pointer = 0;         // for a Parameter Problem

  bool first() const { return (fragment & 0xfff8) == 0; }
};

// A quoted packet may be truncated, and was changed on its way: neither its length nor its header
// checksum is verified.
enum class Extent : u8 { whole, quoted };

// Returns `translated` if the fields are valid, otherwise the reason.
Verdict readIpFields(const u8* data, size_t length, Extent extent, IpFields& fields);

// The protocol number in the other family. False if it must not be translated: the other family
// would take the numbers of extension headers and of its own ICMP for valid, unchecked headers.
bool translateProtocol(u8 family, u8 protocol, u8& translated);

struct NewHeader {
  const Address& source;
  const Address& destination;
  u8 protocol;
  u8 trafficClass;
  u8 hopLimit;
  bool fragmentHeader;  // IPv6
  bool dontFragment;    // IPv4
  u16 identification;
  u16 fragment;  // as in IpFields
};

inline u32 newHeaderLength(u8 family, bool fragmentHeader) {
  return family == 4 ? 20 : fragmentHeader ? 48 : 40;
}

// Writes the header of `family` in front of the `payload` octets at `behind`. Returns its start.
u8* writeNewHeader(u8 family, const NewHeader& header, u8* behind, u32 payload);

inline u64 addressSum(u8 family, const u8* source, const u8* destination) {
  const size_t length = family == 6 ? 16 : 4;
  return checksumAddShort(destination, length, checksumAddShort(source, length, 0));
}
inline u64 addressSum(u8 family, const u8* ip) {
  return checksumAddShort(ip + (family == 6 ? 8 : 12), family == 6 ? 32 : 8, 0);
}

// RFC 8200 §8.1, without the addresses.
inline u64 icmpv6PseudoSum(u32 length) {
  return u64{__builtin_bswap16(kProtocolIcmpv6)} + __builtin_bswap32(length);
}

// RFC 1624 §3: HC' = ~(~HC + ~m + m').
inline u16 replacedChecksum(u16 checksum, u64 removed, u64 added) {
  return checksumFinish(u64{static_cast<u16>(~checksum)} +
                        static_cast<u16>(~checksumFold(removed)) + added);
}

}  // namespace sojourn
