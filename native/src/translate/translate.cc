#include "translate/translate.h"

#include <algorithm>

#include "net/segment.h"
#include "translate/translate-header.h"
#include "translate/translate-icmp.h"

namespace sojourn {
namespace {

constexpr u32 kSmallestIpv4Mtu = 68;
constexpr u32 kLargestIpv4 = 65535;
// §5.1: larger packets get DF.
constexpr u32 kLargestWithoutDf = 1260;
constexpr u32 kTcpHeader = 20;
constexpr u32 kTcpChecksum = 16;
constexpr u32 kUdpChecksum = 6;

// The translation of one packet: the parsed fields and the decisions.
struct Work {
  const PacketView& packet;
  const TranslationTarget& target;
  VirtioHeader& virtio;
  IpFields fields = {};
  u8 toFamily = 0;
  u8 protocol = 0;          // in the other family
  u32 transportHeader = 0;  // of a super-packet
  bool partial = false;     // the checksum field holds the sum of the pseudo-header
  bool super = false;
  bool noChecksum = false;  // UDP over IPv4 with checksum zero

  bool tcp() const { return fields.protocol == kProtocolTcp; }
  bool udp() const { return fields.protocol == kProtocolUdp; }
  bool icmp() const {
    return fields.protocol == (fields.family == 4 ? kProtocolIcmp : kProtocolIcmpv6);
  }
  u8* behind() const { return packet.data + fields.headerLength; }
};

// The method that makes the new packet fit.
struct Fit {
  Verdict verdict = Verdict::translated;
  u32 value = 0;
  u16 segmentSize = 0;
  bool lowered = false;
  bool fragmentHeader = false;
  bool dontFragment = false;
};

// RFC 1812 §5.3.7 and RFC 3927 §7; RFC 4291 §2.5.2, §2.5.3, §2.5.6, §2.7.
bool isIllegalSource(u8 family, const u8* source) {
  if (family == 4) {
    return source[0] == 0 || source[0] == 127 || source[0] >= 224 ||
           (source[0] == 169 && source[1] == 254);
  }
  if (source[0] == 0xff || (source[0] == 0xfe && (source[1] & 0xc0) == 0x80)) return true;
  return raw64(source) == 0 && raw32(source + 8) == 0 && load32(source + 12) <= 1;
}

// Checks that the virtio header fits the packet. A partial checksum of a protocol other than TCP
// and UDP is completed.
Verdict readOffload(Work& work) {
  const VirtioHeader& virtio = work.virtio;
  const u8 type = virtio.gsoType & static_cast<u8>(~kGsoEcn);
  const IpFields& fields = work.fields;
  work.partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  work.super = type != kGsoNone;
  if (!work.partial) return work.super ? Verdict::offload : Verdict::translated;
  const bool usual = fields.fragment == 0 && virtio.checksumStart == fields.headerLength &&
                     ((work.tcp() && virtio.checksumOffset == kTcpChecksum) ||
                      (work.udp() && virtio.checksumOffset == kUdpChecksum));
  if (work.super) {
    const u8 expected = work.udp() ? kGsoUdp : fields.family == 6 ? kGsoTcp6 : kGsoTcp4;
    return usual && type == expected && virtio.gsoSize > 0 && !fields.fragmentHeader
               ? Verdict::translated
               : Verdict::offload;
  }
  if (usual) return Verdict::translated;
  if (virtio.checksumStart < fields.headerLength ||
      !completeChecksum(virtio, work.packet.data, work.packet.length)) {
    return Verdict::offload;
  }
  work.virtio = {};
  work.partial = false;
  return Verdict::translated;
}

Verdict readUdp(Work& work) {
  const IpFields& fields = work.fields;
  if (fields.payload < kUdpHeader) return Verdict::malformed;
  work.transportHeader = kUdpHeader;
  if (work.partial || raw16(work.behind() + kUdpChecksum) != 0) return Verdict::translated;
  // RFC 6935: a zero checksum over IPv6 is for tunnels; IPv4 allows it for any datagram.
  if (fields.family == 6) return Verdict::translated;
  if (fields.fragment != 0 || !work.target.policy.computeZeroChecksums) {
    return Verdict::zeroChecksum;
  }
  const u32 length = load16(work.behind() + 4);
  work.noChecksum = true;
  return length < kUdpHeader || length > fields.payload ? Verdict::malformed : Verdict::translated;
}

Verdict readTcp(Work& work) {
  const IpFields& fields = work.fields;
  // The first fragment must hold the checksum field.
  if (fields.payload < (fields.fragment == 0 ? kTcpHeader : kTcpChecksum + 2)) {
    return Verdict::malformed;
  }
  work.transportHeader = (work.behind()[12] >> 4) * 4u;
  return Verdict::translated;
}

Verdict readTransport(Work& work) {
  const Verdict verdict = readOffload(work);
  if (verdict != Verdict::translated || !work.fields.first() || !(work.tcp() || work.udp())) {
    return verdict;
  }
  const Verdict transport = work.tcp() ? readTcp(work) : readUdp(work);
  if (transport != Verdict::translated || !work.super) return transport;
  const bool whole =
      work.transportHeader >= kUdpHeader && (work.udp() || work.transportHeader >= kTcpHeader);
  return whole && work.transportHeader < work.fields.payload ? Verdict::translated
                                                             : Verdict::offload;
}

// The longest packet that will be sent: the packet itself, or the longest segment of a
// super-packet.
u32 longest(const Work& work, u32 header, u32 payload) {
  if (!work.super) return header + payload;
  return header + work.transportHeader +
         std::min<u32>(work.virtio.gsoSize, payload - work.transportHeader);
}

void lower(const Work& work, u32 limit, u32 header, Fit& fit) {
  fit.lowered = true;
  fit.segmentSize = static_cast<u16>(limit - header - work.transportHeader);
}

// §4.1. TCP does not depend on segment boundaries, so its segments are made smaller rather than
// fragmented or dropped.
Fit fitIntoIpv6(const Work& work, u32 payload) {
  Fit fit{.segmentSize = work.virtio.gsoSize, .fragmentHeader = work.fields.fragment != 0};
  const u32 header = newHeaderLength(6, fit.fragmentHeader);
  const u32 mtu = std::clamp<u32>(work.target.mtu, kIpv6MinimumMtu, 65535);
  const u32 limit = work.fields.dontFragment
                        ? mtu
                        : std::clamp<u32>(work.target.policy.lowestIpv6Mtu, kIpv6MinimumMtu, mtu);
  if (longest(work, header, payload) <= limit) return fit;
  if (work.super && work.tcp()) {
    lower(work, limit, header, fit);
  } else if (work.fields.dontFragment) {
    fit.verdict = Verdict::tooBig;
    fit.value = limit - (header - static_cast<u32>(kIpv4Header));
  } else if (work.super) {
    fit.verdict = Verdict::segment;
  } else {
    fit.verdict = Verdict::fragment;
    fit.value = limit;
    fit.fragmentHeader = true;
  }
  return fit;
}

// §5.1.
Fit fitIntoIpv4(const Work& work, u32 payload) {
  Fit fit{.segmentSize = work.virtio.gsoSize};
  const u32 header = kIpv4Header;
  const u32 mtu = std::clamp(work.target.mtu, kSmallestIpv4Mtu, kLargestIpv4);
  const u32 length = longest(work, header, payload);
  fit.dontFragment = !work.fields.fragmentHeader && length > kLargestWithoutDf;
  // The length of the super-packet would not fit into an IPv4 header.
  const bool overflow = header + payload > kLargestIpv4;
  if (length <= mtu && !overflow) return fit;
  if (work.super && work.tcp() && mtu > header + work.transportHeader && !overflow) {
    lower(work, mtu, header, fit);
    fit.dontFragment = mtu > kLargestWithoutDf;
  } else if (work.super && (length <= mtu || !fit.dontFragment || work.tcp())) {
    fit.verdict = Verdict::segment;
  } else if (fit.dontFragment || overflow) {
    fit.verdict = Verdict::tooBig;
    fit.value = std::max<u32>(kIpv6MinimumMtu, mtu + 20);
  } else {
    fit.verdict = Verdict::fragment;
    fit.value = mtu;
  }
  return fit;
}

Fit fitInto(const Work& work, u32 payload) {
  return work.toFamily == 6 ? fitIntoIpv6(work, payload) : fitIntoIpv4(work, payload);
}

// Updates the checksum field for the new addresses. A partial checksum is the sum of the
// pseudo-header itself, not its complement.
void translateChecksum(const Work& work, u64 removed, u64 added) {
  if (!work.fields.first() || !(work.tcp() || work.udp())) return;
  u8* transport = work.behind();
  u8* field = transport + (work.tcp() ? kTcpChecksum : kUdpChecksum);
  if (work.partial) {
    storeRaw16(field,
               checksumFold(u64{raw16(field)} + static_cast<u16>(~checksumFold(removed)) + added));
    return;
  }
  u16 checksum;
  if (work.noChecksum) {
    const u32 length = load16(transport + 4);
    const u64 pseudo = added + __builtin_bswap16(kProtocolUdp) + __builtin_bswap32(length);
    checksum = checksumFinish(checksumAdd(transport, length, pseudo));
  } else {
    if (work.udp() && raw16(field) == 0) return;
    checksum = replacedChecksum(raw16(field), removed, added);
  }
  storeRaw16(field, work.udp() && checksum == 0 ? 0xffff : checksum);
}

void translateEcho(const Work& work, u64 removed, u64 added) {
  u8* message = work.behind();
  const u64 pseudo = icmpv6PseudoSum(work.fields.payload);
  const u64 before = u64{raw16(message)} + (work.fields.family == 6 ? removed + pseudo : 0);
  translateEchoType(work.fields.family, message[0], message[0]);
  const u64 after = u64{raw16(message)} + (work.toFamily == 6 ? added + pseudo : 0);
  const u16 checksum = replacedChecksum(raw16(message + 2), before, after);
  storeRaw16(message + 2, checksum);
  // With RFC 1624 §3, a message of only zeros, as an Echo Reply may be, looks like one of all ones.
  if (checksum == 0 && message[0] == 0 && checksumAdd(message, work.fields.payload, 0) == 0) {
    store16(message + 2, 0xffff);
  }
}

void translateVirtio(const Work& work, const Fit& fit, u32 headerLength) {
  VirtioHeader& virtio = work.virtio;
  if (!work.partial) {
    virtio = {.flags = static_cast<u8>(virtio.flags & kVirtioDataValid)};
    return;
  }
  virtio.checksumStart = static_cast<u16>(headerLength);
  virtio.headerLength = work.super ? static_cast<u16>(headerLength + work.transportHeader) : u16{0};
  virtio.gsoSize = work.super ? fit.segmentSize : u16{0};
  if (!work.super) virtio.gsoType = kGsoNone;
  if (!work.super || work.udp()) return;
  virtio.gsoType =
      static_cast<u8>((virtio.gsoType & kGsoEcn) | (work.toFamily == 6 ? kGsoTcp6 : kGsoTcp4));
}

// Writes the new IP header in front of the `payload` octets at `behind`, and updates the fields
// that depend on it.
Translation finish(const Work& work, const Fit& fit, PacketView& packet, u8* behind, u32 payload) {
  const IpFields& fields = work.fields;
  const TranslationTarget& target = work.target;
  const bool known = fields.family == 4 || fields.fragmentHeader;
  const NewHeader header{
      .source = target.source,
      .destination = target.destination,
      .protocol = work.protocol,
      .trafficClass = target.policy.keepTrafficClass ? fields.trafficClass : u8{0},
      .hopLimit = static_cast<u8>(fields.hopLimit - 1),
      .fragmentHeader = fit.fragmentHeader,
      .dontFragment = fit.dontFragment,
      .identification = known ? fields.identification : target.identification,
      .fragment = fields.fragment};
  u8* data = writeNewHeader(work.toFamily, header, behind, payload);
  const u32 headerLength = static_cast<u32>(behind - data);
  translateVirtio(work, fit, headerLength);
  viewPacket(data, headerLength + payload, packet);
  if (fit.verdict == Verdict::fragment) {
    if (work.partial) completeChecksum(work.virtio, data, packet.length);
    work.virtio = {};
  }
  return {.verdict = fit.verdict,
          .value = fit.value,
          .lowered = fit.lowered,
          .checksumComputed = work.noChecksum};
}

Translation translateError(Work& work, PacketView& packet) {
  const IpFields& fields = work.fields;
  IcmpMessage message{work.behind(), fields.payload};
  const Verdict verdict = translateIcmpError(fields.family, addressSum(fields.family, packet.data),
                                             work.target, message);
  if (verdict != Verdict::translated) return {verdict};
  return finish(work, fitInto(work, message.length), packet, message.data, message.length);
}

Translation translatePlain(Work& work, PacketView& packet) {
  const IpFields& fields = work.fields;
  const Fit fit = fitInto(work, fields.payload);
  if (fit.verdict != Verdict::translated && fit.verdict != Verdict::fragment) {
    return {fit.verdict, fit.value};
  }
  const u64 removed = addressSum(fields.family, packet.data);
  const u64 added =
      addressSum(work.toFamily, work.target.source.bytes, work.target.destination.bytes);
  if (work.icmp()) {
    translateEcho(work, removed, added);
  } else {
    translateChecksum(work, removed, added);
  }
  return finish(work, fit, packet, work.behind(), fields.payload);
}

// All checks that do not depend on the packet's length. `error`: the packet is an ICMP error.
Verdict check(Work& work, bool& error) {
  IpFields& fields = work.fields;
  const Verdict verdict = readIpFields(work.packet.data, work.packet.length, Extent::whole, fields);
  if (verdict != Verdict::translated) return verdict;
  work.toFamily = fields.family == 4 ? 6 : 4;
  if (!translateProtocol(fields.family, fields.protocol, work.protocol)) return Verdict::protocol;
  const u8 type = fields.payload > 0 ? *work.behind() : u8{0};
  error = work.icmp() && fields.fragment == 0 && fields.payload > 0 &&
          isIcmpErrorType(fields.family, type);
  if (!error && isIllegalSource(fields.family, work.packet.source())) return Verdict::illegalSource;
  if (fields.hopLimit <= 1) return Verdict::hopLimit;
  if (work.icmp()) {
    if (fields.fragment != 0) return Verdict::icmpFragment;
    if (fields.payload < 8) return Verdict::malformed;
    u8 echo;
    if (!error && !translateEchoType(fields.family, type, echo)) return Verdict::icmpType;
  }
  return readTransport(work);
}

}  // namespace

Translation translate(PacketView& packet, VirtioHeader& virtio, const TranslationTarget& target) {
  Work work{packet, target, virtio};
  bool error = false;
  const Verdict verdict = check(work, error);
  if (verdict != Verdict::translated) {
    return {verdict, verdict == Verdict::routingHeader ? work.fields.pointer : 0};
  }
  return error ? translateError(work, packet) : translatePlain(work, packet);
}

bool isIcmpError(const PacketView& packet) {
  IpFields fields;
  if (readIpFields(packet.data, packet.length, Extent::quoted, fields) != Verdict::translated) {
    return false;
  }
  if (fields.protocol != (fields.family == 4 ? kProtocolIcmp : kProtocolIcmpv6) ||
      fields.fragment != 0) {
    return false;
  }
  return fields.headerLength < packet.length &&
         isIcmpErrorType(fields.family, packet.data[fields.headerLength]);
}

}  // namespace sojourn
