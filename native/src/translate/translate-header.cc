#include "translate/translate-header.h"

namespace sojourn {
namespace {

constexpr u16 kDontFragment = 0x4000;
constexpr u16 kMoreFragments = 0x2000;
constexpr u8 kOptionEnd = 0;
constexpr u8 kOptionNoOperation = 1;
constexpr u8 kOptionLooseSourceRoute = 131;
constexpr u8 kOptionStrictSourceRoute = 137;
constexpr u8 kProtocolIgmp = 2;
constexpr u8 kProtocolAuthentication = 51;
constexpr u8 kProtocolHostIdentity = 139;
constexpr u8 kProtocolShim6 = 140;
constexpr int kMaximumHeaders = 12;

// RFC 791 §3.1: a source route is used up once its pointer is greater than its length.
bool hasUnexpiredSourceRoute(const u8* options, size_t length) {
  for (size_t at = 0; at < length && options[at] != kOptionEnd;) {
    if (options[at] == kOptionNoOperation) {
      at++;
      continue;
    }
    if (at + 2 > length || options[at + 1] < 2 || at + options[at + 1] > length) return false;
    const bool route =
        options[at] == kOptionLooseSourceRoute || options[at] == kOptionStrictSourceRoute;
    if (route && options[at + 1] >= 3 && options[at + 2] <= options[at + 1]) return true;
    at += options[at + 1];
  }
  return false;
}

Verdict readIpv4(const u8* data, size_t length, Extent extent, IpFields& fields) {
  if (length < kIpv4Header) return Verdict::malformed;
  const u32 header = (data[0] & 15) * 4u;
  const u32 total = load16(data + 2);
  if (header < kIpv4Header || header > length || total < header) return Verdict::malformed;
  const u16 field = load16(data + 6);
  const u16 fragment = static_cast<u16>(field << 3 | (field & kMoreFragments) >> 13);
  fields = {.family = 4,
            .trafficClass = data[1],
            .hopLimit = data[8],
            .protocol = data[9],
            .dontFragment = (field & kDontFragment) != 0,
            .fragment = fragment,
            .identification = load16(data + 4),
            .headerLength = header,
            .payload = total - header};
  if (extent == Extent::quoted) return Verdict::translated;
  if (total > length) return Verdict::malformed;
  if (ipv4HeaderResidue(data, header) != 0) return Verdict::headerChecksum;
  const bool routed =
      header > kIpv4Header && hasUnexpiredSourceRoute(data + kIpv4Header, header - kIpv4Header);
  return routed ? Verdict::sourceRoute : Verdict::translated;
}

// The headers that §5.1.1 forbids behind a Fragment Header. ESP is not one of them.
bool isHeaderOfExtension(u8 protocol) {
  return isExtensionHeader(protocol) || protocol == kProtocolAuthentication ||
         protocol == kProtocolMobility || protocol == kProtocolHostIdentity ||
         protocol == kProtocolShim6;
}

// Steps over Hop-by-Hop, Routing and Destination Options headers, and reads a Fragment Header.
Verdict stepOver(const u8* data, size_t length, IpFields& fields) {
  if (fields.headerLength + 8 > length) return Verdict::malformed;
  const u8* header = data + fields.headerLength;
  if (fields.protocol == kProtocolRouting && header[3] != 0) {
    fields.pointer = fields.headerLength + 3;
    return Verdict::routingHeader;
  }
  const bool fragment = fields.protocol == kProtocolFragment;
  if (fragment) {
    if (isHeaderOfExtension(header[0])) return Verdict::fragmentedExtension;
    fields.fragmentHeader = true;
    fields.fragment = load16(header + 2) & 0xfff9;
    fields.identification = load16(header + 6);
  }
  fields.headerLength += fragment ? 8u : 8u + header[1] * 8u;
  fields.protocol = header[0];
  return fields.headerLength > length ? Verdict::malformed : Verdict::translated;
}

Verdict readIpv6(const u8* data, size_t length, Extent extent, IpFields& fields) {
  if (length < kIpv6Header) return Verdict::malformed;
  const u32 total = kIpv6Header + load16(data + 4);
  if (extent == Extent::whole && total > length) return Verdict::malformed;
  const u8 trafficClass = static_cast<u8>((data[0] & 15) << 4 | data[1] >> 4);
  fields = {.family = 6,
            .trafficClass = trafficClass,
            .hopLimit = data[7],
            .protocol = data[6],
            .headerLength = kIpv6Header};
  const size_t there = total < length ? total : length;
  for (int headers = 0; isExtensionHeader(fields.protocol); headers++) {
    if (headers == kMaximumHeaders) return Verdict::malformed;
    const Verdict verdict = stepOver(data, there, fields);
    if (verdict != Verdict::translated) return verdict;
  }
  fields.payload = total - fields.headerLength;
  return Verdict::translated;
}

void writeIpv6(const NewHeader& header, u8* out, u32 behind) {
  store32(out, 0x60000000u | u32{header.trafficClass} << 20);
  store16(out + 4, behind + (header.fragmentHeader ? 8 : 0));
  out[6] = header.fragmentHeader ? kProtocolFragment : header.protocol;
  out[7] = header.hopLimit;
  std::memcpy(out + 8, header.source.bytes, 16);
  std::memcpy(out + 24, header.destination.bytes, 16);
  if (!header.fragmentHeader) return;
  out[40] = header.protocol;
  out[41] = 0;
  store16(out + 42, header.fragment);
  store32(out + 44, header.identification);
}

void writeIpv4(const NewHeader& header, u8* out, u32 behind) {
  const u32 more = header.fragment & 1u ? kMoreFragments : 0u;
  out[0] = 0x45;
  out[1] = header.trafficClass;
  store16(out + 2, static_cast<u32>(kIpv4Header) + behind);
  store16(out + 4, header.identification);
  store16(out + 6, u32{header.fragment} >> 3 | more | (header.dontFragment ? kDontFragment : 0u));
  out[8] = header.hopLimit;
  out[9] = header.protocol;
  std::memcpy(out + 12, header.source.bytes, 4);
  std::memcpy(out + 16, header.destination.bytes, 4);
  writeIpv4Checksum(out, kIpv4Header);
}

}  // namespace

Verdict readIpFields(const u8* data, size_t length, Extent extent, IpFields& fields) {
  if (length < 1) return Verdict::malformed;
  const int version = data[0] >> 4;
  if (version == 6) return readIpv6(data, length, extent, fields);
  return version == 4 ? readIpv4(data, length, extent, fields) : Verdict::malformed;
}

bool translateProtocol(u8 family, u8 protocol, u8& translated) {
  translated = protocol;
  if (protocol == kProtocolIcmp || protocol == kProtocolIcmpv6) {
    translated = family == 4 ? kProtocolIcmpv6 : kProtocolIcmp;
    return (family == 4) == (protocol == kProtocolIcmp);
  }
  return protocol != kProtocolIgmp && !isExtensionHeader(protocol);
}

u8* writeNewHeader(u8 family, const NewHeader& header, u8* behind, u32 payload) {
  u8* out = behind - newHeaderLength(family, header.fragmentHeader);
  if (family == 6) {
    writeIpv6(header, out, payload);
  } else {
    writeIpv4(header, out, payload);
  }
  return out;
}

}  // namespace sojourn
