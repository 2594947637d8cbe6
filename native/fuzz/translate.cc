// Translation of any packet with any virtio header, in both directions. A translated packet is of
// the other family, inside the buffer, and keeps correct checksums correct; a rejected one is
// unchanged.
#include "net/checksum.h"
#include "net/segment.h"
#include "translate/translate-copy.h"
#include "octets.h"

using namespace sojourn;

namespace {

// Half of all addresses have a pair.
struct Pairs final : AddressPairs {
  bool counterpart(u8 family, const u8* address, Address& other) const override {
    other = {};
    const u8 last = address[family == 6 ? 15 : 3];
    other.bytes[0] = family == 6 ? 10 : 0x20;
    other.bytes[family == 6 ? 3 : 15] = last;
    return (last & 1) == 0;
  }
};

bool upperRight(const PacketView& view, const UpperLayer& upper) {
  const size_t length = view.length - upper.offset;
  const bool icmp = upper.protocol == kProtocolIcmp;
  const u64 pseudo = icmp ? 0 : pseudoHeaderSum(view.data, view.family, upper.protocol, length);
  return checksumFinish(checksumAdd(view.data + upper.offset, length, pseudo)) == 0;
}

bool checked(u8 family, u8 protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp ||
         protocol == (family == 4 ? kProtocolIcmp : kProtocolIcmpv6);
}

// Gives the packet the chosen length: a fuzzer rarely finds lengths that no longer fit.
void stretch(std::vector<u8>& packet, size_t length) {
  if (packet.size() < kIpv6Header) return;
  packet.resize(std::max(length, kIpv6Header));
  packet.shrink_to_fit();
  const bool six = packet[0] >> 4 == 6;
  store16(packet.data() + (six ? 4 : 2), static_cast<u32>(packet.size() - (six ? kIpv6Header : 0)));
}

// Corrects the checksums, which a fuzzer rarely gets right. `transport`: also that of the upper
// layer.
void repair(std::vector<u8>& packet, bool transport) {
  PacketView view;
  if (!viewPacket(packet.data(), packet.size(), view)) return;
  if (view.family == 4) writeIpv4Checksum(view.data, view.headerLength);
  if (!transport) return;
  const UpperLayer upper = upperLayer(view);
  const size_t at = upper.offset + (upper.protocol == kProtocolTcp   ? 16u
                                    : upper.protocol == kProtocolUdp ? 6u
                                                                     : 2u);
  if (!checked(view.family, upper.protocol) || at + 2 > view.length) return;
  storeRaw16(view.data + at, 0);
  const bool icmp = upper.protocol == kProtocolIcmp;
  const size_t length = view.length - upper.offset;
  const u64 pseudo = icmp ? 0 : pseudoHeaderSum(view.data, view.family, upper.protocol, length);
  storeRaw16(view.data + at, checksumFinish(checksumAdd(view.data + upper.offset, length, pseudo)));
}

// Requires a whole packet of the other family with a correct IPv4 header.
void requirePacket(u8* data, size_t length, u8 family) {
  PacketView view;
  fuzz::require(viewPacket(data, length, view) && view.length == length && view.family == family);
  if (family == 4) fuzz::require(ipv4HeaderResidue(data, view.headerLength) == 0);
}

void requireSegments(const PacketView& view, const VirtioHeader& virtio) {
  SegmentPlan plan;
  fuzz::require(planSegments(virtio, view, size_t{1} << 17, plan));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  fuzz::Octets octets(data, size);
  VirtioHeader virtio;
  const u8 choices = octets.next();
  if ((choices & 1) != 0) {
    virtio = {octets.next(),   octets.next(), octets.next(),
              octets.next16(), octets.next(), static_cast<u16>(octets.next() % 32)};
  }
  const Pairs pairs;
  TranslationTarget target{{},
                           {},
                           octets.next16(),
                           octets.next16(),
                           octets.next16(),
                           (choices & 2) != 0 ? nullptr : &pairs,
                           {}};
  target.source.bytes[3] = 1;
  target.destination.bytes[3] = octets.next();
  target.policy = {static_cast<u32>(1280 + octets.next()), (choices & 4) == 0, (choices & 8) == 0};
  const size_t length = octets.next16();
  std::vector<u8> packet = octets.rest();
  if ((choices & 64) != 0) stretch(packet, length);
  if ((choices & 16) == 0) repair(packet, (choices & 32) == 0);
  std::vector<u8> buffer(kTranslationHeadroom + packet.size());
  std::copy(packet.begin(), packet.end(), buffer.begin() + kTranslationHeadroom);
  PacketView view;
  if (!viewPacket(buffer.data() + kTranslationHeadroom, packet.size(), view)) return 0;

  const PacketView before = view;
  isIcmpError(before);
  const UpperLayer upper = upperLayer(before);
  const bool right =
      virtio.flags == 0 && checked(before.family, upper.protocol) && upperRight(before, upper);
  const bool zero = upper.protocol == kProtocolUdp && upper.offset + 8 <= before.length &&
                    raw16(before.data + upper.offset + 6) == 0;
  Packets apart;
  const Translation copied = translateCopy(before, virtio, target, apart);
  const VirtioHeader given = virtio;
  const Translation translation = translate(view, virtio, target);
  const u8 family = before.family == 4 ? 6 : 4;
  if (translation.verdict == Verdict::translated || translation.verdict == Verdict::fragment) {
    fuzz::require(view.data >= buffer.data() &&
                  view.data + view.length <= buffer.data() + buffer.size());
    requirePacket(view.data, view.length, family);
    const UpperLayer after = upperLayer(view);
    if (right && !zero && after.protocol != kProtocolNone) fuzz::require(upperRight(view, after));
    if (virtio.gsoType != kGsoNone) requireSegments(view, virtio);
    if (virtio.gsoType == kGsoNone) fuzz::require(copied.verdict == Verdict::translated);
    if (translation.verdict == Verdict::fragment) {
      fuzz::require(virtio.flags == 0 && view.length > translation.value);
    } else if (virtio.gsoType == kGsoNone) {
      fuzz::require(view.length <= std::max<size_t>(target.mtu, family == 6 ? 1280 : 68));
    }
  } else {
    fuzz::require(view.data == before.data && view.length == before.length);
    std::vector<u8> answer = translationError(view, translation, nullptr);
    if (!answer.empty()) requirePacket(answer.data(), answer.size(), before.family);
    if ((given.flags & kVirtioNeedsChecksum) == 0) {
      fuzz::require(
          std::equal(packet.begin(), packet.end(), buffer.begin() + kTranslationHeadroom));
    }
  }
  for (std::vector<u8>& each : apart) {
    requirePacket(each.data(), each.size(), family);
    fuzz::require(each.size() <= std::max<size_t>(target.mtu, family == 6 ? 1280 : 68));
  }
  return 0;
}
