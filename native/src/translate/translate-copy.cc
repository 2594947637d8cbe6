#include "translate/translate-copy.h"

#include <algorithm>

#include "net/icmp.h"
#include "net/segment.h"

namespace sojourn {
namespace {

constexpr size_t kFragmentHeader = 8;
// Larger than any packet: the segments keep the sender's size.
constexpr size_t kNoMtu = size_t{1} << 17;

// translate() put a Fragment Header behind the IPv6 header; the packet may be a fragment already.
Packets fragmentIpv6(const PacketView& packet, u32 limit) {
  constexpr size_t header = kIpv6Header + kFragmentHeader;
  Packets fragments;
  if (packet.protocol != kProtocolFragment || packet.length < header || limit < header + 8) {
    return fragments;
  }
  const size_t piece = (limit - header) & ~size_t{7};
  const size_t payload = packet.length - header;
  const u16 field = load16(packet.data + kIpv6Header + 2);
  for (size_t at = 0; at < payload || at == 0; at += piece) {
    const size_t length = std::min(piece, payload - at);
    std::vector<u8> fragment(packet.data, packet.data + header);
    fragment.insert(fragment.end(), packet.data + header + at, packet.data + header + at + length);
    const u32 more = at + length < payload ? 1u : field & 1u;
    store16(fragment.data() + 4, static_cast<u32>(kFragmentHeader + length));
    store16(fragment.data() + kIpv6Header + 2, static_cast<u32>((field & 0xfff8u) + at) | more);
    fragments.push_back(std::move(fragment));
  }
  return fragments;
}

// The octets behind the headroom of `buffer` are one packet.
Translation translateOne(std::vector<u8>& buffer, VirtioHeader virtio,
                         const TranslationTarget& target, Packets& out) {
  PacketView view;
  if (!viewPacket(buffer.data() + kTranslationHeadroom, buffer.size() - kTranslationHeadroom,
                  view)) {
    return {Verdict::malformed};
  }
  const Translation translation = translate(view, virtio, target);
  if (translation.verdict == Verdict::fragment) {
    for (std::vector<u8>& fragment : fragmentTranslated(view, translation.value)) {
      out.push_back(std::move(fragment));
    }
  } else if (translation.verdict == Verdict::translated) {
    if ((virtio.flags & kVirtioNeedsChecksum) != 0) {
      completeChecksum(virtio, view.data, view.length);
    }
    out.emplace_back(view.data, view.data + view.length);
  }
  return translation;
}

}  // namespace

Packets fragmentTranslated(const PacketView& packet, u32 limit) {
  return packet.family == 6 ? fragmentIpv6(packet, limit) : fragmentIpv4(packet, limit);
}

Translation translateCopy(const PacketView& packet, const VirtioHeader& virtio,
                          const TranslationTarget& target, Packets& out) {
  Translation last{Verdict::translated};
  SegmentPlan plan{};
  const bool super = (virtio.gsoType & ~kGsoEcn) != kGsoNone;
  if (super && !planSegments(virtio, packet, kNoMtu, plan)) return {Verdict::offload};
  std::vector<u8> buffer;
  for (u32 index = 0; index < (super ? plan.count : 1); index++) {
    TranslationTarget each = target;
    each.identification = static_cast<u16>(target.identification + index);
    if (super) {
      buffer.resize(kTranslationHeadroom + plan.headerLength + segmentLength(plan, index));
      u8* segment = buffer.data() + kTranslationHeadroom;
      writeSegmentHeader(plan, packet, index, segment);
      std::memcpy(segment + plan.headerLength, packet.data + segmentOffset(plan, index),
                  segmentLength(plan, index));
    } else {
      buffer.resize(kTranslationHeadroom + packet.length);
      std::memcpy(buffer.data() + kTranslationHeadroom, packet.data, packet.length);
    }
    last = translateOne(buffer, super ? VirtioHeader{} : virtio, each, out);
    if (last.verdict != Verdict::translated && last.verdict != Verdict::fragment) return last;
  }
  last.verdict = Verdict::translated;
  return last;
}

std::vector<u8> translationError(const PacketView& packet, const Translation& translation,
                                 const Address* source) {
  switch (translation.verdict) {
    case Verdict::tooBig:
      return packetTooBig(packet, translation.value, source);
    case Verdict::hopLimit:
      return hopLimitExceeded(packet, source);
    case Verdict::sourceRoute:
      return sourceRouteFailed(packet, source);
    case Verdict::routingHeader:
      return parameterProblem(packet, translation.value, source);
    default:
      return {};
  }
}

}  // namespace sojourn
