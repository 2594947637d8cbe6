#include "plane/receive/translate-inward.h"

#include <sys/uio.h>

namespace sojourn {
namespace {

constexpr size_t kLargestPacket = 65575;
// What is written to a TUN may be of any length; the kernel fits it into the next link, or says
// that it does not fit.
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
  const Translations& translations = shared_.tables.translations();
  VirtioHeader virtio;
  std::memcpy(&virtio, parts[0].iov_base, sizeof virtio);
  PacketView view;
  if (!viewQuoted(static_cast<u8*>(parts[1].iov_base), parts[1].iov_len, view)) return false;
  TranslationTarget target{};
  const Planned planned = planTranslation(translations, Crossing::toOuter, view, target);
  if (planned == Planned::no) return false;
  view.length = static_cast<u32>(octetsOf(parts, count));
  if (planned == Planned::unmapped || view.length > kLargestPacket) {
    counters_.add(Counters::dropUnmapped);
    return true;
  }
  const CrossingPairs pairs(translations, Crossing::toOuter);
  target.pairs = &pairs;
  target.mtu = kNoMtu;
  target.originMtu = kNoMtu;
  target.identification = identification_;
  identification_ = static_cast<u16>(identification_ + static_cast<u16>(count - 1));
  const bool offloaded = (virtio.gsoType & ~kGsoEcn) != kGsoNone;
  if (!offloaded || !super(parts, count, view, virtio, target)) {
    whole(parts, count, virtio, target, nowMs);
  }
  return true;
}

// The headers of a super-packet are translated apart from what lies behind them. False when more
// than that is to be done.
bool InwardTranslator::super(const iovec* parts, int count, PacketView view, VirtioHeader virtio,
                             const TranslationTarget& target) {
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

void InwardTranslator::whole(const iovec* parts, int count, VirtioHeader virtio,
                             TranslationTarget& target, u64 nowMs) {
  u8* packet = buffer_.get() + kTranslationHeadroom;
  size_t length = 0;
  for (int part = 1; part < count; part++) {
    std::memcpy(packet + length, parts[part].iov_base, parts[part].iov_len);
    length += parts[part].iov_len;
  }
  PacketView view;
  if (!viewPacket(packet, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  // What an error tells of came through the TUN, for the tunnel that the error's source is in.
  const Tunnel* back =
      isIcmpError(view)
          ? shared_.tables.tunnel(shared_.outward(view.family, view.destination(), view.source()))
          : nullptr;
  if (back != nullptr) target.originMtu = static_cast<u32>(back->effectiveMtu());
  Packets apart;
  Translation translation = translate(view, virtio, target);
  if (translation.verdict == Verdict::segment) {
    translation = translateApart(view, virtio, target, apart);
  }
  if (translation.verdict == Verdict::fragment) {
    apart = fragmentTranslated(view, translation.value);
    translation.verdict = Verdict::translated;
  } else if (translation.verdict == Verdict::translated && apart.empty()) {
    writePacket(virtio, view.data, view.length);
  }
  if (translation.verdict != Verdict::translated) refuse(view, translation, nowMs);
  writeAll(apart);
  if (translation.verdict == Verdict::translated) counters_.add(Counters::translated);
}

// The answer goes back into the tunnel, by the thread that sends.
void InwardTranslator::refuse(const PacketView& packet, const Translation& translation, u64 nowMs) {
  counters_.add(Counters::dropUntranslatable);
  std::vector<u8> answer = refusal(packet, translation, nullptr);
  if (answer.empty() || !limit_.allow(nowMs)) return;
  counters_.add(shared_.errands.push(std::move(answer)) ? Counters::refusalsSent
                                                        : Counters::dropErrandsFull);
}

void InwardTranslator::writeAll(const Packets& packets) {
  for (const std::vector<u8>& packet : packets) writePacket({}, packet.data(), packet.size());
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
