#include "plane/transmit/transmitter.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sojourn {

Transmitter::Transmitter(Shared& shared, Counters& counters, const SendSockets& sockets, int tun,
                         unsigned slot)
    : shared_(shared),
      counters_(counters),
      tun_(tun),
      errors_(counters, tun),
      pathErrors_(shared, counters, errors_),
      slowPath_(counters, sockets),
      udp_(shared, counters, sockets.udp, pathErrors_, slowPath_),
      sealed4_(shared, counters, sockets.sealed[0], pathErrors_, slowPath_),
      sealed6_(shared, counters, sockets.sealed[1], pathErrors_, slowPath_),
      sealer_(shared, counters, slot),
      raw_(shared, counters, sockets, pathErrors_, slowPath_),
      identification_(static_cast<u16>(mixKey(monotonicMs(), slot))),
      arena_(new u8[kArena]),
      headers_(new u8[kHeaders]) {}

bool Transmitter::turn(u64 nowMs) {
  nowMs_ = nowMs;
  size_t used = 0;
  bool more = true;
  for (int reads = 0; reads < kReads && kArena - used >= kRoom + kLargestRead; reads++) {
    u8* data = arena_.get() + used + kRoom;
    u8* buffer = data - sizeof(VirtioHeader);
    const ssize_t length = ::read(tun_, buffer, kLargestRead);
    if (length < static_cast<ssize_t>(sizeof(VirtioHeader))) {
      more = length < 0 && errno == EINTR;
      gone_ = length < 0 && errno == EBADFD;
      break;
    }
    counters_.add(Counters::transmitReads);
    VirtioHeader virtio;
    std::memcpy(&virtio, buffer, sizeof virtio);
    packet(virtio, data, static_cast<size_t>(length) - sizeof virtio);
    // Cache lines of one packet are not shared with the next.
    used += kRoom + ((static_cast<size_t>(length) + 63) & ~size_t{63});
  }
  flush();
  return more;
}

void Transmitter::flush() {
  udp_.flush();
  sealed4_.flush();
  sealed6_.flush();
  raw_.flush();
  headersUsed_ = 0;
  sealer_.reset();
}

void Transmitter::add(const OutgoingPacket& packet) {
  switch (packet.tunnel->encapsulation) {
    case Encapsulation::udp:
      udp_.add(packet);
      break;
    case Encapsulation::sealed:
      (packet.tunnel->family == 6 ? sealed6_ : sealed4_).add(packet);
      break;
    case Encapsulation::ipip:
      raw_.add(packet);
      break;
  }
}

void Transmitter::packet(const VirtioHeader& virtio, u8* data, size_t length) {
  PacketView view;
  if (!viewPacket(data, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (shared_.tables.translations().any() && translated(virtio, view)) return;
  const u32 id = shared_.outward(view);
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (!shared_.canSend(tunnel)) {
    unsendable(virtio, view, tunnel);
    return;
  }
  send(virtio, view, *tunnel);
}

void Transmitter::send(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel) {
  if (view.protocol != kProtocolTcp &&
      encapsulations(view, shared_.options.udpPort) >= kNestingLimit) {
    counters_.add(Counters::dropNestingLimit);
    return;
  }
  if (tunnel.endpoint->pathMtu.load(std::memory_order_relaxed) != 0) {
    PathErrors::age(*tunnel.endpoint, nowMs_);
  }
  const size_t mtu = tunnel.effectiveMtu();
  if (virtio.gsoType == kGsoNone) {
    single(virtio, view, tunnel, mtu);
  } else {
    superPacket(virtio, view, tunnel, mtu);
  }
}

void Transmitter::unsendable(const VirtioHeader& virtio, const PacketView& view,
                             const Tunnel* tunnel) {
  if (!shared_.tables.routes().isVirtual(view.family, view.destination())) {
    counters_.add(tunnel == nullptr ? Counters::dropNoRoute : Counters::dropNoAssociation);
    return;
  }
  const bool first = !shared_.outwardHold.waiting();
  const bool held = shared_.outwardHold.push(view, virtio, nowMs_);
  counters_.add(held ? Counters::heldOutward : Counters::dropOutwardHoldFull);
  // The thread that watches over them may be another one, and asleep.
  if (held && first) shared_.errands.wake();
}

void Transmitter::runErrands(u64 nowMs) {
  nowMs_ = nowMs;
  constexpr size_t room = HeldOutward::kRoom;
  for (const std::vector<u8>& errand : shared_.errands.take()) {
    std::vector<u8> copy(room);
    copy.insert(copy.end(), errand.begin(), errand.end());
    packet({}, copy.data() + room, errand.size());
    flush();
  }
  resendHeld(nowMs);
}

void Transmitter::resendHeld(u64 nowMs) {
  nowMs_ = nowMs;
  std::vector<HeldOutward> taken = shared_.outwardHold.take([&](HeldOutward& held) {
    PacketView view;
    return viewPacket(held.packet.data() + HeldOutward::kRoom,
                      held.packet.size() - HeldOutward::kRoom, view) &&
           shared_.canSend(shared_.tables.tunnel(shared_.outward(view)));
  });
  for (HeldOutward& held : taken) {
    counters_.add(Counters::replayedOutward);
    packet(held.virtio, held.packet.data() + HeldOutward::kRoom,
           held.packet.size() - HeldOutward::kRoom);
  }
  flush();
  const size_t expired = shared_.outwardHold.expire(nowMs, OutwardHold::kLimitMs);
  if (expired > 0) counters_.add(Counters::dropOutwardHoldExpired, expired);
}

void Transmitter::single(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel,
                         size_t mtu) {
  if ((virtio.flags & kVirtioNeedsChecksum) != 0 &&
      !completeChecksum(virtio, view.data, view.length)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (view.length > mtu) {
    tooBig(view, tunnel, mtu);
    return;
  }
  if (tunnel.encapsulation == Encapsulation::sealed) {
    sendSealed(view, tunnel);
    return;
  }
  add({&tunnel, view.family, view.trafficClass, 1, {{view.data, view.length}, {}}});
}

void Transmitter::superPacket(const VirtioHeader& virtio, const PacketView& view,
                              const Tunnel& tunnel, size_t mtu) {
  SegmentPlan plan;
  if (!planSegments(virtio, view, mtu, plan)) {
    if (plan.lowered) errors_.packetTooBig(view, tunnel, mtu, nowMs_);
    counters_.add(plan.lowered ? Counters::dropTooBig : Counters::dropMalformed);
    return;
  }
  // The flow goes on in smaller segments, and its sender is told to make them itself.
  if (plan.lowered) errors_.packetTooBig(view, tunnel, mtu, nowMs_);
  if (tunnel.encapsulation == Encapsulation::sealed) {
    superSealed(plan, view, tunnel);
    return;
  }
  for (u32 index = 0; index < plan.count; index++) {
    if (headersUsed_ + plan.headerLength > kHeaders) flush();
    u8* header = headers_.get() + headersUsed_;
    headersUsed_ += (plan.headerLength + 15u) & ~15u;
    writeSegmentHeader(plan, view, index, header);
    add({&tunnel,
         view.family,
         view.trafficClass,
         2,
         {{header, plan.headerLength},
          {view.data + segmentOffset(plan, index), segmentLength(plan, index)}}});
  }
}

void Transmitter::sendSealed(const PacketView& view, const Tunnel& tunnel) {
  if (sealer_.isFull(tunnel, view.length)) flush();
  std::memcpy(sealer_.place(tunnel), view.data, view.length);
  OutgoingPacket packet;
  if (sealer_.seal(tunnel, view.family, view.trafficClass, view.length, packet)) add(packet);
}

// A segment is put together where it is sealed: in one piece it costs less to copy than to seal in
// two.
void Transmitter::superSealed(const SegmentPlan& plan, const PacketView& view,
                              const Tunnel& tunnel) {
  for (u32 index = 0; index < plan.count; index++) {
    const u32 payload = segmentLength(plan, index);
    const size_t length = plan.headerLength + payload;
    if (sealer_.isFull(tunnel, length)) flush();
    u8* place = sealer_.place(tunnel);
    writeSegmentHeader(plan, view, index, place);
    std::memcpy(place + plan.headerLength, view.data + segmentOffset(plan, index), payload);
    OutgoingPacket packet;
    if (sealer_.seal(tunnel, view.family, view.trafficClass, length, packet)) add(packet);
  }
}

void Transmitter::tooBig(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  const bool dontFragment = view.family == 6 || (view.data[6] & 0x40) != 0;
  if (!dontFragment) {
    fragmentInner(view, tunnel, mtu);
  } else if (view.family == 6 && view.length <= kIpv6MinimumMtu) {
    // RFC 2473 §7.1 (b): every IPv6 link carries 1280 octets, so the tunnel has to.
    flush();
    sendWhole(view, tunnel);
  } else {
    errors_.packetTooBig(view, tunnel, mtu, nowMs_);
    counters_.add(Counters::dropTooBig);
  }
}

// In outer fragments; nothing waits in the arena.
void Transmitter::sendWhole(const PacketView& view, const Tunnel& tunnel) {
  if (tunnel.encapsulation != Encapsulation::sealed) {
    slowPath_.sendFragmented(tunnel, view);
    return;
  }
  std::memcpy(sealer_.place(tunnel), view.data, view.length);
  OutgoingPacket packet;
  if (!sealer_.seal(tunnel, view.family, view.trafficClass, view.length, packet)) return;
  const auto* datagram = static_cast<const u8*>(packet.parts[0].iov_base);
  slowPath_.sendFragmented(
      tunnel, OuterPayload{datagram, packet.parts[0].iov_len, tunnel.family, view.trafficClass});
  sealer_.reset();
}

void Transmitter::fragmentInner(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  Packets fragments = fragmentIpv4(view, mtu);
  if (fragments.empty()) counters_.add(Counters::dropTooBig);
  for (std::vector<u8>& fragment : fragments) {
    PacketView piece = view;
    piece.data = fragment.data();
    piece.length = static_cast<u32>(fragment.size());
    if (tunnel.encapsulation == Encapsulation::sealed) {
      sendSealed(piece, tunnel);
    } else {
      add({&tunnel, 4, view.trafficClass, 1, {{piece.data, piece.length}, {}}});
    }
    counters_.add(Counters::innerFragments);
  }
  // The fragments live only here.
  flush();
}

}  // namespace sojourn
