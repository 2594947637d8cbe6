#include "net/home-address.h"

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr u8 kOptionPad1 = 0;
constexpr u8 kOptionPadN = 1;
constexpr u8 kOptionHomeAddress = 201;
// Skipped by a receiver that does not recognize it (RFC 4727 §3.2). Linux takes no PadN of that
// length.
constexpr u8 kOptionExperiment = 0x1e;
constexpr u32 kAddress = 16;
constexpr int kMaximumHeaders = 12;

bool findOption(const u8* packet, u32 headerAt, u32 size, u32 namedAt, HomeAddressHeaders& found) {
  bool others = false;
  bool here = false;
  for (u32 at = headerAt + 2; at < headerAt + size;) {
    if (packet[at] == kOptionPad1) {
      at++;
      continue;
    }
    if (at + 2 > headerAt + size) return false;
    const u32 length = packet[at + 1];
    if (at + 2 + length > headerAt + size) return false;
    if (packet[at] == kOptionHomeAddress) {
      if (length != kAddress || found.optionAt != 0) return false;
      found.optionAt = at;
      found.optionHeaderAt = headerAt;
      found.optionNamedAt = namedAt;
      here = true;
    } else if (packet[at] != kOptionPadN) {
      others = true;
    }
    at += 2 + length;
  }
  if (here) found.optionAlone = !others;
  return true;
}

bool findRouting(const u8* header, u32 at, u32 namedAt, HomeAddressHeaders& found) {
  if (header[2] != 2) return header[3] == 0;
  const bool sound = header[1] == 2 && header[3] == 1;
  if (!sound || found.routingAt != 0 || found.optionAt != 0) return false;
  found.routingAt = at;
  found.routingNamedAt = namedAt;
  return true;
}

// Moves what is in front of the header over it.
void removeHeader(PacketView& packet, u32 at, u32 namedAt) {
  const u32 size = 8u + packet.data[at + 1] * 8u;
  packet.data[namedAt] = packet.data[at];
  std::memmove(packet.data + size, packet.data, at);
  packet.data += size;
  packet.length -= size;
  store16(packet.data + 4, packet.length - kIpv6Header);
}

}  // namespace

bool findHomeAddressHeaders(const PacketView& packet, HomeAddressHeaders& found) {
  u8 protocol = packet.data[6];
  u32 at = kIpv6Header;
  u32 namedAt = 6;
  for (int headers = 0; isExtensionHeader(protocol); headers++) {
    if (headers == kMaximumHeaders || at + 8 > packet.length) return false;
    const u8* header = packet.data + at;
    const u32 size = protocol == kProtocolFragment ? 8u : 8u + header[1] * 8u;
    if (at + size > packet.length) return false;
    if (protocol == kProtocolRouting && !findRouting(header, at, namedAt, found)) return false;
    if (protocol == kProtocolDestination && !findOption(packet.data, at, size, namedAt, found)) {
      return false;
    }
    namedAt = at;
    protocol = header[0];
    at += size;
  }
  return true;
}

bool isMobilityChecksumRight(const PacketView& packet) {
  const ChainEnd end = walkChain(packet.data, packet.length);
  HomeAddressHeaders headers;
  if (end.malformed || end.fragment || end.protocol != kProtocolMobility) return true;
  if (!findHomeAddressHeaders(packet, headers)) return true;
  const u8* source = headers.optionAt != 0 ? optionAddress(packet, headers) : packet.source();
  const u8* destination =
      headers.routingAt != 0 ? routingAddress(packet, headers) : packet.destination();
  const u32 length = packet.length - end.offset;
  u64 sum = checksumAddShort(source, kAddress, 0);
  sum = checksumAddShort(destination, kAddress, sum);
  sum += __builtin_bswap16(kProtocolMobility) + __builtin_bswap32(length);
  return checksumFinish(checksumAdd(packet.data + end.offset, length, sum)) == 0;
}

u32 exchangeHomeAddresses(PacketView& packet, const HomeAddressHeaders& headers) {
  const u32 before = packet.length;
  if (headers.optionAt != 0) {
    u8* option = packet.data + headers.optionAt;
    std::memcpy(packet.data + 8, option + 2, kAddress);
    option[0] = kOptionExperiment;
    std::memset(option + 2, 0, kAddress);
  }
  if (headers.routingAt != 0) {
    std::memcpy(packet.data + 24, packet.data + headers.routingAt + 8, kAddress);
  }
  // The rear one first: the offsets of the other one stay.
  if (headers.optionAlone) removeHeader(packet, headers.optionHeaderAt, headers.optionNamedAt);
  if (headers.routingAt != 0) removeHeader(packet, headers.routingAt, headers.routingNamedAt);
  packet.protocol = packet.data[6];
  return before - packet.length;
}

}  // namespace sojourn
