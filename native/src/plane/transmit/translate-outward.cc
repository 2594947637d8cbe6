// The transmitter's part in translation between families: what comes from the TUN for a node's
// outer address, and, where the plane translates on the device itself, what is for a far one.
#include <sys/uio.h>

#include "plane/transmit/transmitter.h"

namespace sojourn {
namespace {

// The TUN takes packets of any length; what lies behind it answers for itself.
constexpr u32 kNoMtu = 65535;

// Whether a super-packet's segments have to become smaller in the other family, and what its sender
// is told then; 0: they fit.
u32 toldMtu(const VirtioHeader& virtio, const PacketView& view, u32 mtu) {
  const u8 type = virtio.gsoType & static_cast<u8>(~kGsoEcn);
  if ((type != kGsoTcp4 && type != kGsoTcp6) || size_t{virtio.checksumStart} + 20 > view.length) {
    return 0;
  }
  const u32 transport = (view.data[virtio.checksumStart + 12] >> 4) * 4u;
  const u32 header =
      view.family == 4 ? static_cast<u32>(kIpv6Header) : static_cast<u32>(kIpv4Header);
  if (header + transport + virtio.gsoSize <= mtu) return 0;
  if (view.family == 6) return mtu + 20;
  return (view.data[6] & 0x40) != 0 && mtu > 20 ? mtu - 20 : 0;
}

}  // namespace

// False when it is not for translation.
bool Transmitter::translated(const VirtioHeader& virtio, const PacketView& view) {
  const Translations& translations = shared_.tables.translations();
  Crossing crossing = Crossing::toInner;
  TranslationTarget target{};
  Planned planned = planTranslation(translations, crossing, view, target);
  if (planned == Planned::no && shared_.options.translateOnDevice) {
    crossing = Crossing::toOuter;
    planned = planTranslation(translations, crossing, view, target);
  }
  if (planned == Planned::no) return false;
  if (planned == Planned::unmapped) {
    counters_.add(Counters::dropUnmapped);
    return true;
  }
  const CrossingPairs pairs(translations, crossing);
  target.pairs = &pairs;
  target.originMtu = kNoMtu;
  const int family = view.family == 4 ? 6 : 4;
  const u32 id = crossing == Crossing::toInner
                     ? shared_.outward(family, target.source.bytes, target.destination.bytes)
                     : 0;
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (tunnel == nullptr && !shared_.options.translateOnDevice) {
    counters_.add(Counters::dropNoRoute);
  } else if (tunnel != nullptr && !shared_.canSend(tunnel)) {
    counters_.add(Counters::dropNoAssociation);
  } else {
    cross(virtio, view, tunnel, target);
  }
  return true;
}

void Transmitter::cross(VirtioHeader virtio, PacketView view, const Tunnel* tunnel,
                        TranslationTarget& target) {
  target.mtu = tunnel == nullptr ? kNoMtu : static_cast<u32>(tunnel->effectiveMtu());
  target.identification = identification_;
  const u32 segments = virtio.gsoSize == 0 ? 1 : view.length / virtio.gsoSize + 1;
  identification_ = static_cast<u16>(identification_ + segments);
  const u32 told = toldMtu(virtio, view, target.mtu);
  if (told != 0) errors_.refuse(view, {Verdict::tooBig, told}, nowMs_);
  Translation translation = translate(view, virtio, target);
  Packets apart;
  if (translation.verdict == Verdict::segment) {
    translation = translateApart(view, virtio, target, apart);
  } else if (translation.verdict == Verdict::fragment) {
    apart = fragmentTranslated(view, translation.value);
    translation.verdict = Verdict::translated;
  } else if (translation.verdict == Verdict::translated) {
    leave(virtio, view, tunnel);
  }
  if (translation.verdict == Verdict::translated) {
    counters_.add(Counters::translated);
  } else {
    errors_.refuse(view, translation, nowMs_);
    counters_.add(Counters::dropUntranslatable);
  }
  for (std::vector<u8>& packet : apart) {
    PacketView piece;
    if (viewPacket(packet.data(), packet.size(), piece)) leave({}, piece, tunnel);
  }
  // The pieces live only here.
  if (!apart.empty()) flush();
}

void Transmitter::leave(const VirtioHeader& virtio, PacketView& view, const Tunnel* tunnel) {
  if (tunnel != nullptr) {
    send(virtio, view, *tunnel);
    return;
  }
  const iovec parts[2] = {{const_cast<VirtioHeader*>(&virtio), sizeof virtio},
                          {view.data, view.length}};
  if (::writev(tun_, parts, 2) < 0) counters_.add(Counters::dropWriteError);
}

}  // namespace sojourn
