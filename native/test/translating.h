// Helpers for tests of translation: pairs 192.0.2.x <-> 2001:db8::x, and packets in a buffer with
// exactly the headroom.
#pragma once
#include "net/segment.h"
#include "translate/translate-copy.h"
#include "packets.h"

namespace sojourn::testing {

struct Pairs final : AddressPairs {
  bool counterpart(u8 family, const u8* address, Address& other) const override {
    static constexpr u8 kPrefix6[15] = {0x20, 0x01, 0x0d, 0xb8};
    static constexpr u8 kPrefix4[3] = {192, 0, 2};
    other = {};
    if (family == 4) {
      if (std::memcmp(address, kPrefix4, 3) != 0) return false;
      std::memcpy(other.bytes, kPrefix6, 15);
      other.bytes[15] = address[3];
      return true;
    }
    if (std::memcmp(address, kPrefix6, 15) != 0) return false;
    std::memcpy(other.bytes, kPrefix4, 3);
    other.bytes[3] = address[15];
    return true;
  }
};

struct Settings {
  u32 mtu = 1500;
  u32 originMtu = 1500;
  u16 identification = 7;
  TranslationPolicy policy = {};
};

struct Passed {
  Translation translation;
  VirtioHeader virtio;
  Bytes packet;

  Verdict verdict() const { return translation.verdict; }
};

// An address without a pair becomes the translator's own: 198.51.100.1, 2001:db8:ffff::1.
inline Address counterpart(const Pairs& pairs, u8 family, const u8* address) {
  Address other;
  if (pairs.counterpart(family, address, other)) return other;
  other = {};
  const u8 own4[4] = {198, 51, 100, 1};
  const u8 own6[6] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff};
  std::memcpy(other.bytes, family == 6 ? own4 : own6, family == 6 ? 4 : 6);
  if (family == 4) other.bytes[15] = 1;
  return other;
}

inline const Pairs& pairs() {
  static const Pairs all;
  return all;
}

inline TranslationTarget targetOf(const PacketView& view, const Settings& settings) {
  return {.source = counterpart(pairs(), view.family, view.source()),
          .destination = counterpart(pairs(), view.family, view.destination()),
          .mtu = settings.mtu,
          .originMtu = settings.originMtu,
          .identification = settings.identification,
          .pairs = &pairs(),
          .policy = settings.policy};
}

inline Passed pass(const Bytes& packet, const Settings& settings = {}, VirtioHeader virtio = {}) {
  // On the heap and of exactly this size, so that the sanitizer detects an overrun by one octet.
  Bytes buffer(kTranslationHeadroom + packet.size());
  std::memcpy(buffer.data() + kTranslationHeadroom, packet.data(), packet.size());
  PacketView view;
  if (!viewPacket(buffer.data() + kTranslationHeadroom, packet.size(), view)) {
    return {{Verdict::malformed}, virtio, packet};
  }
  const Translation translation = translate(view, virtio, targetOf(view, settings));
  return {translation, virtio, Bytes(view.data, view.data + view.length)};
}

inline Packets passApart(Bytes packet, const Settings& settings = {},
                         const VirtioHeader& virtio = {}) {
  Packets out;
  const PacketView view = viewOf(packet);
  translateCopy(view, virtio, targetOf(view, settings), out);
  return out;
}

inline size_t checksumOffset(u8 protocol) {
  return protocol == kProtocolTcp ? 16 : protocol == kProtocolUdp ? 6 : 2;
}

// The residue of the checksum of the upper layer, ICMP included; zero: it is correct.
inline u16 upperResidue(Bytes& packet) {
  const PacketView view = viewOf(packet);
  const UpperLayer upper = upperLayer(view);
  const size_t length = view.length - upper.offset;
  const u64 pseudo = upper.protocol == kProtocolIcmp
                         ? 0
                         : pseudoHeaderSum(view.data, view.family, upper.protocol, length);
  return checksumFinish(checksumAdd(view.data + upper.offset, length, pseudo));
}

// Turns the checksum of a whole packet into a partial one. Returns the virtio header that says so.
inline VirtioHeader makePartial(Bytes& packet) {
  const PacketView view = viewOf(packet);
  const UpperLayer upper = upperLayer(view);
  const u16 offset = static_cast<u16>(checksumOffset(upper.protocol));
  const u64 pseudo =
      pseudoHeaderSum(view.data, view.family, upper.protocol, view.length - upper.offset);
  storeRaw16(packet.data() + upper.offset + offset, checksumFold(pseudo));
  return {kVirtioNeedsChecksum, kGsoNone, 0, 0, static_cast<u16>(upper.offset), offset};
}

inline VirtioHeader makeSuper(Bytes& packet, u16 segmentSize) {
  VirtioHeader virtio = makePartial(packet);
  const bool udp = virtio.checksumOffset == 6;
  virtio.gsoType = udp ? kGsoUdp : packet[0] >> 4 == 6 ? kGsoTcp6 : kGsoTcp4;
  virtio.gsoSize = segmentSize;
  virtio.headerLength = static_cast<u16>(virtio.checksumStart + (udp ? 8 : 20));
  return virtio;
}

inline Packets cutSuper(Bytes packet, const VirtioHeader& virtio, size_t mtu = 65536) {
  Packets segments;
  SegmentPlan plan;
  const PacketView view = viewOf(packet);
  if (!planSegments(virtio, view, mtu, plan)) return segments;
  for (u32 index = 0; index < plan.count; index++) {
    Bytes segment(plan.headerLength + segmentLength(plan, index));
    writeSegmentHeader(plan, view, index, segment.data());
    std::memcpy(segment.data() + plan.headerLength, packet.data() + segmentOffset(plan, index),
                segmentLength(plan, index));
    segments.push_back(std::move(segment));
  }
  return segments;
}

// An ICMP message with `body` from router `host` (0: one without a pair) to .2, with correct
// checksums.
struct Icmp {
  int family = 4;
  u8 type = 8;
  u8 code = 0;
  u32 word = 0;
  u8 host = 1;
};

inline void finishIcmp(Bytes& packet) {
  const PacketView view = viewOf(packet);
  const UpperLayer upper = upperLayer(view);
  storeRaw16(packet.data() + upper.offset + 2, 0);
  storeRaw16(packet.data() + upper.offset + 2, upperResidue(packet));
}

inline Bytes icmp(const Icmp& message, const Bytes& body) {
  const u8 protocol = message.family == 4 ? kProtocolIcmp : kProtocolIcmpv6;
  Bytes packet;
  const size_t ip =
      writeIp(packet, {.family = message.family, .protocol = protocol, .host = message.host},
              8 + body.size(), 7);
  // From .1 to .2, the reverse of the other helpers' packets.
  packet[message.family == 4 ? 19 : 39] = 2;
  if (message.host == 0) packet[message.family == 4 ? 12 : 9] = 0x0b;
  if (message.family == 4) {
    packet[6] = 0;
    writeIpv4Checksum(packet.data(), kIpv4Header);
  }
  packet[ip] = message.type;
  packet[ip + 1] = message.code;
  store32(packet.data() + ip + 4, message.word);
  if (!body.empty()) std::memcpy(packet.data() + ip + 8, body.data(), body.size());
  finishIcmp(packet);
  return packet;
}

// Inserts `headers` behind the IPv6 header. The first has type `protocol`; the octet at
// `lastHeader` gets the next header.
inline Bytes withExtensions(Bytes packet, u8 protocol, Bytes headers, size_t lastHeader) {
  headers[lastHeader] = packet[6];
  packet[6] = protocol;
  packet.insert(packet.begin() + kIpv6Header, headers.begin(), headers.end());
  store16(packet.data() + 4, static_cast<u32>(packet.size() - kIpv6Header));
  return packet;
}

// Inserts options, a multiple of four octets, behind the IPv4 header.
inline Bytes withOptions(Bytes packet, const Bytes& options) {
  packet.insert(packet.begin() + kIpv4Header, options.begin(), options.end());
  packet[0] = static_cast<u8>(0x45 + options.size() / 4);
  store16(packet.data() + 2, static_cast<u32>(packet.size()));
  writeIpv4Checksum(packet.data(), kIpv4Header + options.size());
  return packet;
}

// `field`: IPv4 flags, and the offset in units of 8 octets.
inline Bytes withFragmentField(Bytes packet, u16 field) {
  store16(packet.data() + 6, field);
  writeIpv4Checksum(packet.data(), viewOf(packet).headerLength);
  return packet;
}

}  // namespace sojourn::testing
