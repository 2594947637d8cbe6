// The transmitter's part of translation: packets from the TUN for the outer address of a node, and,
// on a plane that translates on the device itself, packets for a far address.
#include <sys/uio.h>

#include "plane/transmit/transmitter.h"

namespace sojourn {
namespace {

// The TUN takes packets of any length; the kernel enforces the MTU of the next link.
constexpr u32 kNoMtu = 65535;

// If a super-packet's TCP segments do not fit in the other family, the MTU to report to its sender;
// 0: they fit, or the sender must not get an error.
u32 mtuForSender(const VirtioHeader& virtio, const PacketView& view, u32 mtu) {
  const u8 type = virtio.gsoType & static_cast<u8>(~kGsoEcn);
  const bool tcp = type == kGsoTcp4 || type == kGsoTcp6;
  if (!tcp || size_t{virtio.checksumStart} + 20 > view.length) return 0;
  const u32 transport = (view.data[virtio.checksumStart + 12] >> 4) * 4u;
  const u32 header = static_cast<u32>(view.family == 4 ? kIpv6Header : kIpv4Header);
  if (header + transport + virtio.gsoSize <= mtu) return 0;
  if (view.family == 6) return mtu + 20;
  return (view.data[6] & 0x40) != 0 && mtu > 20 ? mtu - 20 : 0;
}

}  // namespace

bool Transmitter::translateOrDrop(const VirtioHeader& virtio, const PacketView& view) {
  const TranslationTable& translations = shared_.tables.translations();
  TranslationDirection direction = TranslationDirection::outerToInner;
  TranslationTarget target{};
  TranslationPlan plan = planTranslation(translations, direction, view, target);
  if (plan == TranslationPlan::none && shared_.options.translateOnDevice) {
    direction = TranslationDirection::innerToOuter;
    plan = planTranslation(translations, direction, view, target);
  }
  if (plan == TranslationPlan::none) return false;
  if (plan == TranslationPlan::unmapped) {
    counters_.add(Counters::dropUnmapped);
    return true;
  }
  const DirectedAddressPairs pairs(translations, direction);
  target.pairs = &pairs;
  target.originMtu = kNoMtu;
  const int family = view.family == 4 ? 6 : 4;
  const bool inward = direction == TranslationDirection::outerToInner;
  const u32 id =
      inward ? shared_.outwardTunnel(family, target.source.bytes, target.destination.bytes) : 0;
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (tunnel == nullptr && !shared_.options.translateOnDevice) {
    counters_.add(Counters::dropNoRoute);
  } else if (tunnel != nullptr && !shared_.canSend(tunnel)) {
    counters_.add(Counters::dropNoAssociation);
  } else {
    sendTranslated(virtio, view, tunnel, target);
  }
  return true;
}

void Transmitter::sendTranslated(VirtioHeader virtio, PacketView view, const Tunnel* tunnel,
                                 TranslationTarget& target) {
  target.mtu = tunnel == nullptr ? kNoMtu : static_cast<u32>(tunnel->effectiveMtu());
  target.identification = identification_;
  const u32 segments = virtio.gsoSize == 0 ? 1 : view.length / virtio.gsoSize + 1;
  identification_ = static_cast<u16>(identification_ + segments);
  const u32 senderMtu = mtuForSender(virtio, view, target.mtu);
  if (senderMtu != 0) errors_.untranslated(view, {Verdict::tooBig, senderMtu}, nowMs_);
  Translation translation = translate(view, virtio, target);
  Packets pieces;
  if (translation.verdict == Verdict::segment) {
    translation = translateCopy(view, virtio, target, pieces);
  } else if (translation.verdict == Verdict::fragment) {
    pieces = fragmentTranslated(view, translation.value);
    translation.verdict = Verdict::translated;
  } else if (translation.verdict == Verdict::translated) {
    deliver(virtio, view, tunnel);
  }
  if (translation.verdict == Verdict::translated) {
    counters_.add(Counters::translated);
  } else {
    errors_.untranslated(view, translation, nowMs_);
    counters_.add(Counters::dropUntranslatable);
  }
  for (std::vector<u8>& packet : pieces) {
    PacketView piece;
    if (viewPacket(packet.data(), packet.size(), piece)) deliver({}, piece, tunnel);
  }
  // The pieces are freed when this returns.
  if (!pieces.empty()) flush();
}

void Transmitter::deliver(const VirtioHeader& virtio, PacketView& view, const Tunnel* tunnel) {
  if (tunnel != nullptr) {
    send(virtio, view, *tunnel);
    return;
  }
  const iovec parts[2] = {{const_cast<VirtioHeader*>(&virtio), sizeof virtio},
                          {view.data, view.length}};
  if (::writev(tun_, parts, 2) < 0) counters_.add(Counters::dropWriteError);
}

}  // namespace sojourn
