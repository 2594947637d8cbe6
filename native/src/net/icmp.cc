#include "net/icmp.h"

#include <algorithm>

#include "net/checksum.h"

namespace sojourn {
namespace {

constexpr u8 kUnreachable6 = 1;
constexpr u8 kAddressUnreachable = 3;
constexpr u8 kPacketTooBig = 2;
constexpr u8 kUnreachable4 = 3;
constexpr u8 kHostUnreachable = 1;
constexpr u8 kFragmentationNeeded = 4;
constexpr u8 kSourceRouteFailed = 5;
constexpr u8 kTimeExceeded6 = 3;
constexpr u8 kTimeExceeded4 = 11;
constexpr u8 kParameterProblem6 = 4;
constexpr u8 kParameterProblem4 = 12;
constexpr u8 kHopLimit = 64;
// RFC 1812 §4.3.2.3: quote as much of the packet as fits into 576 octets.
constexpr size_t kIpv4ErrorLimit = 576;
constexpr size_t kIcmpHeader = 8;

bool zeroAddress(const u8* address, size_t length) {
  return std::all_of(address, address + length, [](u8 octet) { return octet == 0; });
}

bool answerable6(const PacketView& packet) {
  if (packet.source()[0] == 0xff || zeroAddress(packet.source(), 16)) return false;
  const ChainEnd end = walkChain(packet.data, packet.length);
  if (end.malformed || end.fragment) return !end.malformed;
  // RFC 4443 §2.4 (e.1): no error about an error. Types below 128 are errors.
  return end.protocol != kProtocolIcmpv6 ||
         (end.offset < packet.length && packet.data[end.offset] >= 128);
}

bool answerable4(const PacketView& packet) {
  const u8 first = packet.source()[0];
  if (first == 0 || first == 127 || first >= 224 || packet.destination()[0] >= 224) return false;
  if ((load16(packet.data + 6) & 0x1fff) != 0) return false;
  if (packet.protocol != kProtocolIcmp || packet.headerLength >= packet.length) return true;
  const u8 type = packet.data[packet.headerLength];
  // RFC 1122 §3.2.2: about queries only (echo, timestamp, information, address mask).
  return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

// Type, code and the four octets behind the checksum.
struct Message {
  u8 type;
  u8 code;
  u32 value;
};

std::vector<u8> error6(const PacketView& packet, const Message& message, const Address* source) {
  const size_t quoted =
      std::min<size_t>(packet.length, kIpv6MinimumMtu - kIpv6Header - kIcmpHeader);
  std::vector<u8> error(kIpv6Header + kIcmpHeader + quoted);
  store32(error.data(), 0x60000000);
  store16(error.data() + 4, static_cast<u32>(kIcmpHeader + quoted));
  error[6] = kProtocolIcmpv6;
  error[7] = kHopLimit;
  std::memcpy(error.data() + 8, source != nullptr ? source->bytes : packet.destination(), 16);
  std::memcpy(error.data() + 24, packet.source(), 16);
  u8* icmp = error.data() + kIpv6Header;
  icmp[0] = message.type;
  icmp[1] = message.code;
  store32(icmp + 4, message.value);
  std::memcpy(icmp + kIcmpHeader, packet.data, quoted);
  const u64 pseudo = pseudoHeaderSum(error.data(), 6, kProtocolIcmpv6, kIcmpHeader + quoted);
  storeRaw16(icmp + 2, checksumFinish(checksumAdd(icmp, kIcmpHeader + quoted, pseudo)));
  return error;
}

std::vector<u8> error4(const PacketView& packet, const Message& message, const Address* source) {
  const size_t quoted =
      std::min<size_t>(packet.length, kIpv4ErrorLimit - kIpv4Header - kIcmpHeader);
  std::vector<u8> error(kIpv4Header + kIcmpHeader + quoted);
  error[0] = 0x45;
  store16(error.data() + 2, static_cast<u32>(error.size()));
  error[8] = kHopLimit;
  error[9] = kProtocolIcmp;
  std::memcpy(error.data() + 12, source != nullptr ? source->bytes : packet.destination(), 4);
  std::memcpy(error.data() + 16, packet.source(), 4);
  writeIpv4Checksum(error.data(), kIpv4Header);
  u8* icmp = error.data() + kIpv4Header;
  icmp[0] = message.type;
  icmp[1] = message.code;
  store32(icmp + 4, message.value);
  std::memcpy(icmp + kIcmpHeader, packet.data, quoted);
  storeRaw16(icmp + 2, checksumFinish(checksumAdd(icmp, kIcmpHeader + quoted, 0)));
  return error;
}

std::vector<u8> errorAbout(const PacketView& packet, const Message& message6,
                           const Message& message4, const Address* source) {
  if (packet.family == 6) {
    return answerable6(packet) ? error6(packet, message6, source) : std::vector<u8>{};
  }
  return answerable4(packet) ? error4(packet, message4, source) : std::vector<u8>{};
}

}  // namespace

std::vector<u8> packetTooBig(const PacketView& packet, size_t mtu, const Address* source) {
  // Below 1280 octets the error says 1280, and the outer packet is fragmented (RFC 2473 §7.1).
  const Message message6{kPacketTooBig, 0, static_cast<u32>(std::max(mtu, kIpv6MinimumMtu))};
  return errorAbout(packet, message6,
                    {kUnreachable4, kFragmentationNeeded, static_cast<u32>(mtu & 0xffff)}, source);
}

std::vector<u8> unreachable(const PacketView& packet, const Address* source) {
  return errorAbout(packet, {kUnreachable6, kAddressUnreachable, 0},
                    {kUnreachable4, kHostUnreachable, 0}, source);
}

std::vector<u8> hopLimitExceeded(const PacketView& packet, const Address* source) {
  return errorAbout(packet, {kTimeExceeded6, 0, 0}, {kTimeExceeded4, 0, 0}, source);
}

std::vector<u8> parameterProblem(const PacketView& packet, u32 pointer, const Address* source) {
  return errorAbout(packet, {kParameterProblem6, 0, pointer},
                    {kParameterProblem4, 0, pointer << 24}, source);
}

std::vector<u8> relayedError(const PacketView& packet, const Icmpv6Error& error,
                             const Address& source) {
  if (packet.family != 6 || !answerable6(packet)) return {};
  const bool problem = error.type == kParameterProblem6;
  const Message message{problem ? kUnreachable6 : error.type,
                        problem ? kAddressUnreachable : error.code, 0};
  return error6(packet, message, &source);
}

std::vector<u8> sourceRouteFailed(const PacketView& packet, const Address* source) {
  if (packet.family == 6) return {};
  return errorAbout(packet, {}, {kUnreachable4, kSourceRouteFailed, 0}, source);
}

}  // namespace sojourn
