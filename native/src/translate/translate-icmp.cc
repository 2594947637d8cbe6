#include "translate/translate-icmp.h"

#include <algorithm>
#include <iterator>

namespace sojourn {
namespace {

constexpr u32 kIcmpHeader = 8;
constexpr u8 kAnyCode = 0xff;
// §5.1: larger IPv4 packets get DF, and an ICMP error must not have it.
constexpr u32 kLargestWithoutDf = 1260;
// RFC 4884 §4.1, §4.2: at least so many octets of the packet precede an extension.
constexpr u32 kSmallestBeforeExtension = 128;
constexpr u32 kSmallestIpv4Mtu = 68;

// The translation of the four octets behind the checksum.
enum class Word : u8 { zero, mtu, pointer, nextHeader };

// kAnyCode in `code`: every code. In `toCode`: unchanged.
struct ErrorRow {
  u8 type, code;
  u8 toType, toCode;
  Word word;
};

// clang-format off
constexpr ErrorRow kFromIpv4[] = {
    {3, 0, 1, 0, Word::zero},
    {3, 1, 1, 0, Word::zero},
    {3, 2, 4, 1, Word::nextHeader},
    {3, 3, 1, 4, Word::zero},
    {3, 4, 2, 0, Word::mtu},
    {3, 5, 1, 0, Word::zero},
    {3, 6, 1, 0, Word::zero},
    {3, 7, 1, 0, Word::zero},
    {3, 8, 1, 0, Word::zero},
    {3, 9, 1, 1, Word::zero},
    {3, 10, 1, 1, Word::zero},
    {3, 11, 1, 0, Word::zero},
    {3, 12, 1, 0, Word::zero},
    {3, 13, 1, 1, Word::zero},
    {3, 15, 1, 1, Word::zero},
    {11, kAnyCode, 3, kAnyCode, Word::zero},
    {12, 0, 4, 0, Word::pointer},
    {12, 2, 4, 0, Word::pointer},
};

constexpr ErrorRow kFromIpv6[] = {
    {1, 0, 3, 1, Word::zero},
    {1, 1, 3, 10, Word::zero},
    {1, 2, 3, 1, Word::zero},
    {1, 3, 3, 1, Word::zero},
    {1, 4, 3, 3, Word::zero},
    {2, kAnyCode, 3, 4, Word::mtu},
    {3, kAnyCode, 11, kAnyCode, Word::zero},
    {4, 0, 12, 0, Word::pointer},
    {4, 1, 3, 2, Word::zero},
};
// clang-format on

// RFC 7915, figures 3 and 6.
struct PointerRow {
  u8 first, last, to;
};
constexpr PointerRow kPointerFromIpv4[] = {{0, 0, 0}, {1, 1, 1},   {2, 3, 4},   {8, 8, 7},
                                           {9, 9, 6}, {12, 15, 8}, {16, 19, 24}};
constexpr PointerRow kPointerFromIpv6[] = {{0, 0, 0}, {1, 1, 1},   {4, 5, 2},   {6, 6, 9},
                                           {7, 7, 8}, {8, 23, 12}, {24, 39, 16}};

// RFC 1191 §7.1: the plateaus that an IPv6 path can have.
constexpr u32 kPlateaus[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492};

template <size_t count>
const ErrorRow* find(const ErrorRow (&rows)[count], u8 type, u8 code) {
  const auto* row = std::find_if(rows, rows + count, [&](const ErrorRow& each) {
    return each.type == type && (each.code == code || each.code == kAnyCode);
  });
  return row == rows + count ? nullptr : row;
}

template <size_t count>
bool findPointer(const PointerRow (&rows)[count], u32 pointer, u32& translated) {
  const auto* row = std::find_if(rows, rows + count, [&](const PointerRow& each) {
    return pointer >= each.first && pointer <= each.last;
  });
  if (row == rows + count) return false;
  translated = row->to;
  return true;
}

u32 mtuForIpv6(u32 reported, const IpFields& quoted, const TranslationTarget& target) {
  if (reported == 0) {
    const u32 total = quoted.headerLength + quoted.payload;
    const auto* plateau = std::find_if(std::begin(kPlateaus), std::end(kPlateaus),
                                       [&](u32 each) { return each < total; });
    reported = plateau == std::end(kPlateaus) ? 0 : *plateau;
  }
  return std::max(u32{kIpv6MinimumMtu},
                  std::min({reported + 20, target.mtu, target.originMtu + 20}));
}

u32 mtuForIpv4(u32 reported, const IpFields& quoted, const TranslationTarget& target) {
  // A Fragment Header in the quoted packet disappears too.
  const u32 shrinks = quoted.fragmentHeader ? 28 : 20;
  const u32 least = std::min(reported, target.originMtu);
  return std::clamp(least < shrinks ? 0 : least - shrinks, kSmallestIpv4Mtu,
                    std::max(std::min(target.mtu, 65535u), kSmallestIpv4Mtu));
}

bool translateWord(Word kind, u8 family, const u8* message, const IpFields& quoted,
                   const TranslationTarget& target, u32& word) {
  switch (kind) {
    case Word::zero:
      word = 0;
      return true;
    case Word::nextHeader:
      word = 6;
      return true;
    case Word::mtu:
      word = family == 4 ? mtuForIpv6(load16(message + 6), quoted, target)
                         : mtuForIpv4(load32(message + 4), quoted, target);
      return true;
    case Word::pointer:
      if (family == 4) return findPointer(kPointerFromIpv4, message[4], word);
      if (!findPointer(kPointerFromIpv6, load32(message + 4), word)) return false;
      word <<= 24;
      return true;
  }
  return false;
}

// RFC 4884 §4: the messages that may have an extension, and the field that gives the length of the
// quoted packet before it.
struct LengthAttribute {
  u32 at;    // offset in the message; 0: none
  u32 unit;  // octets
};

LengthAttribute lengthAttribute(u8 family, u8 type) {
  if (family == 4) {
    return type == 3 || type == 11 || type == 12 ? LengthAttribute{5, 4} : LengthAttribute{0, 0};
  }
  return type == 1 || type == 3 ? LengthAttribute{4, 8} : LengthAttribute{0, 0};
}

// The parts of an error message behind its header.
struct Quotation {
  u8* packet;
  u32 length;     // of the quoted packet with the padding before the extension
  u8* extension;  // null: none
  u32 extensionLength;
};

Quotation splitError(u8 family, const IcmpMessage& message) {
  Quotation parts{.packet = message.data + kIcmpHeader,
                  .length = message.length - kIcmpHeader,
                  .extension = nullptr,
                  .extensionLength = 0};
  const LengthAttribute attribute = lengthAttribute(family, message.data[0]);
  const u32 before = attribute.at == 0 ? 0 : message.data[attribute.at] * attribute.unit;
  if (before == 0 || before >= parts.length) return parts;
  // Shorter than RFC 4884 allows: it is unknown where the extension begins.
  if (before >= kSmallestBeforeExtension) {
    parts.extension = parts.packet + before;
    parts.extensionLength = parts.length - before;
  }
  parts.length = before;
  return parts;
}

// The layout of the new message behind its header.
struct Layout {
  u32 header;   // of the quoted packet
  u32 rest;     // after its header
  u32 padding;  // zeros behind that
  bool extension;

  u32 quoted() const { return header + rest + padding; }
};

Layout layOut(u8 toFamily, u8 toType, const Quotation& parts, const IpFields& quoted) {
  const u32 room =
      (toFamily == 6 ? kIpv6MinimumMtu - kIpv6Header : kLargestWithoutDf - kIpv4Header) -
      kIcmpHeader;
  Layout layout{.header = newHeaderLength(toFamily, quoted.fragment != 0),
                .rest = parts.length - quoted.headerLength,
                .padding = 0,
                .extension = false};
  const LengthAttribute attribute = lengthAttribute(toFamily, toType);
  if (parts.extension == nullptr || attribute.at == 0 ||
      parts.extensionLength + kSmallestBeforeExtension > room) {
    layout.rest = std::min(layout.rest, room - layout.header);
    return layout;
  }
  const u32 most = std::min((room - parts.extensionLength) / attribute.unit, 255u) * attribute.unit;
  layout.extension = true;
  layout.rest = std::min(layout.rest, most - layout.header);
  const u32 length = std::max(layout.header + layout.rest, kSmallestBeforeExtension);
  layout.padding =
      (length + attribute.unit - 1) / attribute.unit * attribute.unit - layout.header - layout.rest;
  return layout;
}

struct QuotedPacket {
  IpFields fields;
  u8 protocol;  // in the other family
  Address source;
  Address destination;
};

Verdict readQuoted(u8 family, const Quotation& parts, const TranslationTarget& target,
                   QuotedPacket& quoted) {
  IpFields& fields = quoted.fields;
  const Verdict verdict = readIpFields(parts.packet, parts.length, Extent::quoted, fields);
  if (verdict == Verdict::routingHeader) return Verdict::malformed;
  if (verdict != Verdict::translated) return verdict;
  if (fields.family != family || fields.payload > 65535 - kIpv4Header) return Verdict::malformed;
  if (!translateProtocol(family, fields.protocol, quoted.protocol)) return Verdict::protocol;
  if (fields.protocol == kProtocolIcmp || fields.protocol == kProtocolIcmpv6) {
    if (fields.fragment != 0) return Verdict::icmpFragment;
    if (fields.headerLength + 4 > parts.length) return Verdict::malformed;
    const u8 type = parts.packet[fields.headerLength];
    u8 echo;
    if (isIcmpErrorType(family, type)) return Verdict::nestedError;
    if (!translateEchoType(family, type, echo)) return Verdict::icmpType;
  }
  if (target.pairs == nullptr) return Verdict::unmapped;
  const u8* source = parts.packet + (family == 6 ? 8 : 12);
  const bool mapped =
      target.pairs->counterpart(family, source, quoted.source) &&
      target.pairs->counterpart(family, source + (family == 6 ? 16 : 4), quoted.destination);
  return mapped ? Verdict::translated : Verdict::unmapped;
}

// Translates the quoted packet's transport header as far as it is quoted. `removed`: the sum of the
// old addresses.
void translateQuotedTransport(const QuotedPacket& quoted, u64 removed, u8* transport, u32 length) {
  const IpFields& fields = quoted.fields;
  if (!fields.first()) return;
  const u8 toFamily = fields.family == 4 ? 6 : 4;
  u64 added = addressSum(toFamily, quoted.source.bytes, quoted.destination.bytes);
  u32 at = fields.protocol == kProtocolTcp ? 16 : 6;
  if (fields.protocol == kProtocolIcmp || fields.protocol == kProtocolIcmpv6) {
    at = 2;
    const u64 pseudo = icmpv6PseudoSum(fields.payload);
    removed = u64{raw16(transport)} + (fields.family == 6 ? removed + pseudo : 0);
    translateEchoType(fields.family, transport[0], transport[0]);
    added = u64{raw16(transport)} + (fields.family == 4 ? added + pseudo : 0);
  } else if (fields.protocol != kProtocolTcp && fields.protocol != kProtocolUdp) {
    return;
  }
  if (at + 2 > length) return;
  const bool udp = fields.protocol == kProtocolUdp;
  // A checksum of zero cannot be computed without the whole datagram.
  if (udp && raw16(transport + at) == 0) return;
  const u16 checksum = replacedChecksum(raw16(transport + at), removed, added);
  storeRaw16(transport + at, udp && checksum == 0 ? 0xffff : checksum);
}

// Moves the parts to their places and writes the quoted packet's header. Returns its start.
u8* rebuild(const Quotation& parts, const QuotedPacket& quoted, const Layout& layout) {
  const IpFields& fields = quoted.fields;
  const u8 toFamily = fields.family == 4 ? 6 : 4;
  const u64 removed = addressSum(fields.family, parts.packet);
  u8* rest = parts.packet + fields.headerLength;
  if (layout.extension) {
    u8* to = parts.extension - layout.padding - layout.rest;
    std::memmove(to, rest, layout.rest);
    std::memset(to + layout.rest, 0, layout.padding);
    rest = to;
  }
  translateQuotedTransport(quoted, removed, rest, layout.rest);
  const bool dontFragment =
      !fields.fragmentHeader && fields.payload + kIpv4Header > kLargestWithoutDf;
  const NewHeader header{.source = quoted.source,
                         .destination = quoted.destination,
                         .protocol = quoted.protocol,
                         .trafficClass = fields.trafficClass,
                         .hopLimit = fields.hopLimit,
                         .fragmentHeader = fields.fragment != 0,
                         .dontFragment = dontFragment,
                         .identification = fields.identification,
                         .fragment = fields.fragment};
  return writeNewHeader(toFamily, header, rest, fields.payload);
}

}  // namespace

bool isIcmpErrorType(u8 family, u8 type) {
  // Includes Redirect, Source Quench and Alternative Host Address.
  return family == 6 ? type < 128 : (type >= 3 && type <= 6) || type == 11 || type == 12;
}

bool translateEchoType(u8 family, u8 type, u8& translated) {
  if (family == 4 && (type == 8 || type == 0)) {
    translated = type == 8 ? 128 : 129;
    return true;
  }
  if (family == 4 || (type != 128 && type != 129)) return false;
  translated = type == 128 ? 8 : 0;
  return true;
}

Verdict translateIcmpError(u8 family, u64 addresses, const TranslationTarget& target,
                           IcmpMessage& message) {
  if (message.length < kIcmpHeader) return Verdict::malformed;
  const u8 code = message.data[1];
  const ErrorRow* row =
      family == 4 ? find(kFromIpv4, message.data[0], code) : find(kFromIpv6, message.data[0], code);
  if (row == nullptr) return Verdict::icmpType;
  const Quotation parts = splitError(family, message);
  QuotedPacket quoted;
  const Verdict verdict = readQuoted(family, parts, target, quoted);
  if (verdict != Verdict::translated) return verdict;
  u32 word;
  if (!translateWord(row->word, family, message.data, quoted.fields, target, word)) {
    return Verdict::icmpType;
  }

  // The error of the old checksum (0xffff: none) is carried over into the new one.
  const u16 residue = checksumFold(checksumAdd(
      message.data, message.length, family == 6 ? addresses + icmpv6PseudoSum(message.length) : 0));
  const u8 toFamily = family == 4 ? 6 : 4;
  const Layout layout = layOut(toFamily, row->toType, parts, quoted.fields);
  u8* data = rebuild(parts, quoted, layout) - kIcmpHeader;
  const u32 length = kIcmpHeader + layout.quoted() + (layout.extension ? parts.extensionLength : 0);
  data[0] = row->toType;
  data[1] = row->toCode == kAnyCode ? code : row->toCode;
  store16(data + 2, 0);
  store32(data + 4, word);
  if (layout.extension) {
    const LengthAttribute attribute = lengthAttribute(toFamily, row->toType);
    data[attribute.at] = static_cast<u8>(layout.quoted() / attribute.unit);
  }
  u64 pseudo = 0;
  if (toFamily == 6) {
    pseudo = addressSum(6, target.source.bytes, target.destination.bytes) + icmpv6PseudoSum(length);
  }
  const u16 checksum =
      checksumFold(u64{residue} + checksumFinish(checksumAdd(data, length, pseudo)));
  storeRaw16(data + 2, checksum == 0xffff ? 0 : checksum);
  message = {data, length};
  return Verdict::translated;
}

}  // namespace sojourn
