#include "plane/receive/translate-inward.h"

#include <sys/uio.h>

namespace sojourn {
namespace {

constexpr size_t kLargestPacket = 65575;
// The TUN takes packets of any length; the kernel enforces the MTU of the next link.
constexpr u32 kNoMtu = 65535;

size_t octetsOf(const iovec* parts, int count) {
  size_t sum = 0;
  for (int part = 1; part < count; part++) sum += parts[part].iov_len;
  return sum;
}

}  // namespace

InwardTranslator::InwardTranslator(Shared& shared, Counters& counters, int tun)
    : shared_(shared),
      counters_(counters),
      tun_(tun),
      identification_(static_cast<u16>(mixKey(monotonicMs(), 7))),
      buffer_(new u8[kTranslationHeadroom + kLargestPacket]) {}

bool InwardTranslator::take(const iovec* parts, int count, u64 nowMs) {
  constexpr TranslationDirection direction = TranslationDirection::innerToOuter;
  const TranslationTable& translations = shared_.tables.translations();
  VirtioHeader virtio;
  std::memcpy(&virtio, parts[0].iov_base, sizeof virtio);
  PacketView view;
  if (!viewQuoted(static_cast<u8*>(parts[1].iov_base), parts[1].iov_len, view)) return false;
  TranslationTarget target{};
  const TranslationPlan plan = planTranslation(translations, direction, view, target);
  if (plan == TranslationPlan::none) return false;
  view.length = static_cast<u32>(octetsOf(parts, count));
  if (plan == TranslationPlan::unmapped || view.length > kLargestPacket) {
    counters_.add(Counters::dropUnmapped);
    return true;
  }
  const DirectedAddressPairs pairs(translations, direction);
  target.pairs = &pairs;
  target.mtu = kNoMtu;
  target.originMtu = kNoMtu;
  target.identification = identification_;
  identification_ = static_cast<u16>(identification_ + static_cast<u16>(count - 1));
  const bool super = (virtio.gsoType & ~kGsoEcn) != kGsoNone;
  if (!super || !translateHeaders(parts, count, view, virtio, target)) {
    translateWhole(parts, count, virtio, target, nowMs);
  }
  return true;
}

// Translates the headers of a super-packet and leaves its payload in place. False if that is not
// enough.
bool InwardTranslator::translateHeaders(const iovec* parts, int count, PacketView view,
                                        VirtioHeader virtio, const TranslationTarget& target) {
  const size_t headers = virtio.headerLength;
  if (headers > kHeaders || headers > parts[1].iov_len || count >= kParts) return false;
  view.data = buffer_.get() + kTranslationHeadroom;
  std::memcpy(view.data, parts[1].iov_base, headers);
  const u8* end = view.data + headers;
  if (translate(view, virtio, target).verdict != Verdict::translated) return false;
  iovec vector[kParts];
  vector[0] = {&virtio, sizeof virtio};
  vector[1] = {view.data, static_cast<size_t>(end - view.data)};
  vector[2] = {static_cast<u8*>(parts[1].iov_base) + headers, parts[1].iov_len - headers};
  std::memcpy(vector + 3, parts + 2, sizeof(iovec) * static_cast<size_t>(count - 2));
  counters_.add(Counters::translated);
  write(vector, count + 1);
  return true;
}

// Copies the parts into the buffer. False if they are no packet.
bool InwardTranslator::gather(const iovec* parts, int count, PacketView& view) {
  u8* packet = buffer_.get() + kTranslationHeadroom;
  size_t length = 0;
  for (int part = 1; part < count; part++) {
    std::memcpy(packet + length, parts[part].iov_base, parts[part].iov_len);
    length += parts[part].iov_len;
  }
  return viewPacket(packet, length, view);
}

void InwardTranslator::translateWhole(const iovec* parts, int count, VirtioHeader virtio,
                                      TranslationTarget& target, u64 nowMs) {
  PacketView view;
  if (!gather(parts, count, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (isIcmpError(view)) {
    // The quoted packet came through the TUN and went into the tunnel that the error came out of.
    const u32 id = shared_.outwardTunnel(view.family, view.destination(), view.source());
    const Tunnel* back = shared_.tables.tunnel(id);
    if (back != nullptr) target.originMtu = static_cast<u32>(back->effectiveMtu());
  }
  Packets pieces;
  Translation translation = translate(view, virtio, target);
  if (translation.verdict == Verdict::segment) {
    translation = translateCopy(view, virtio, target, pieces);
  }
  if (translation.verdict == Verdict::fragment) {
    pieces = fragmentTranslated(view, translation.value);
    translation.verdict = Verdict::translated;
  } else if (translation.verdict == Verdict::translated && pieces.empty()) {
    writePacket(virtio, view.data, view.length);
  }
  if (translation.verdict != Verdict::translated) dropUntranslated(view, translation, nowMs);
  for (const std::vector<u8>& piece : pieces) writePacket({}, piece.data(), piece.size());
  if (translation.verdict == Verdict::translated) counters_.add(Counters::translated);
}

// The ICMP error goes back into the tunnel, through the transmitting thread.
void InwardTranslator::dropUntranslated(const PacketView& packet, const Translation& translation,
                                        u64 nowMs) {
  counters_.add(Counters::dropUntranslatable);
  std::vector<u8> error = translationError(packet, translation, nullptr);
  if (error.empty() || !limit_.allow(nowMs)) return;
  const bool queued = shared_.transmitQueue.push(std::move(error));
  counters_.add(queued ? Counters::refusalsSent : Counters::dropTransmitQueueFull);
}

void InwardTranslator::writePacket(const VirtioHeader& virtio, const u8* data, size_t length) {
  const iovec parts[2] = {{const_cast<VirtioHeader*>(&virtio), sizeof virtio},
                          {const_cast<u8*>(data), length}};
  write(parts, 2);
}

void InwardTranslator::write(const iovec* parts, int count) {
  counters_.add(Counters::receiveWrites);
  if (::writev(tun_, parts, count) < 0) counters_.add(Counters::dropWriteError);
}

}  // namespace sojourn
