#include "plane/transmit/transmitter.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "path-mtu/clamp-mss.h"

namespace sojourn {

Transmitter::Transmitter(Shared& shared, Counters& counters, const SendSockets& sockets, int tun,
                         unsigned slot)
    : shared_(shared),
      counters_(counters),
      sockets_(sockets),
      tun_(tun),
      errors_(counters, tun),
      pathErrors_(shared, counters, errors_),
      slowPath_(shared, counters, sockets),
      udp_(shared, counters, sockets.udp, pathErrors_, slowPath_),
      sealed4_(shared, counters, sockets.sealed[0], pathErrors_, slowPath_),
      sealed6_(shared, counters, sockets.sealed[1], pathErrors_, slowPath_),
      esp4_(shared, counters, sockets.esp, pathErrors_, slowPath_),
      sealer_(shared, counters, slot),
      espSealer_(shared, counters, slot),
      raw_(shared, counters, sockets, pathErrors_, slowPath_),
      identification_(static_cast<u16>(mixKey(monotonicMs(), slot))),
      arena_(new u8[kArena]),
      headers_(new u8[kHeaders]) {}

bool Transmitter::poll(u64 nowMs) {
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
    transmit(virtio, data, static_cast<size_t>(length) - sizeof virtio);
    // Packets do not share cache lines.
    used += kRoom + ((static_cast<size_t>(length) + 63) & ~size_t{63});
  }
  flush();
  return more;
}

void Transmitter::flush() {
  udp_.flush();
  sealed4_.flush();
  sealed6_.flush();
  esp4_.flush();
  raw_.flush();
  headersUsed_ = 0;
  sealer_.reset();
  espSealer_.reset();
}

void Transmitter::addPlain(const OutgoingPacket& packet) {
  if (packet.tunnel->path.carrier == Carrier::udp) {
    udp_.add(packet);
  } else {
    raw_.add(packet);
  }
}

void Transmitter::addProtected(Sealer&, const OutgoingPacket& packet) {
  (packet.tunnel->path.family == 6 ? sealed6_ : sealed4_).add(packet);
}

// Over IPv6 behind the IP header, over IPv4 in UDP.
void Transmitter::addProtected(EspSealer&, const OutgoingPacket& packet) {
  if (packet.tunnel->path.carrier == Carrier::udp) {
    esp4_.add(packet);
  } else {
    raw_.add(packet);
  }
}

void Transmitter::transmit(const VirtioHeader& virtio, u8* data, size_t length) {
  PacketView view;
  if (!viewPacket(data, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (shared_.tables.translations().any() && translateOrDrop(virtio, view)) return;
  const u32 id = shared_.outwardTunnel(view);
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (shared_.options.optimized && isForPlainPath(tunnel, view)) {
    sendUnchanged(virtio, view);
    return;
  }
  if (!shared_.canSend(tunnel)) {
    holdOrDrop(virtio, view, tunnel);
    return;
  }
  send(virtio, view, *tunnel);
}

// Inline: the path of most packets, with one caller.
inline void Transmitter::sendSingle(const VirtioHeader& virtio, PacketView& view,
                                    const Tunnel& tunnel, size_t mtu) {
  const bool partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  if (partial && !completeChecksum(virtio, view.data, view.length)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (mayNeedClamping(view) && clampMss(view, tunnel)) counters_.add(Counters::mssClamped);
  if (view.length > mtu) {
    handleTooBig(view, tunnel, mtu);
  } else {
    sendOne(view, tunnel);
  }
}

inline void Transmitter::sendOne(const PacketView& view, const Tunnel& tunnel) {
  if (tunnel.protection == Protection::sealed) {
    sendProtected(sealer_, view, tunnel);
  } else if (tunnel.protection == Protection::none) {
    sendPlain(view, tunnel);
  } else {
    sendProtected(espSealer_, view, tunnel);
  }
}

void Transmitter::send(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel) {
  if (view.protocol != kProtocolTcp &&
      encapsulations(view, shared_.options.udpPort) >= kNestingLimit) {
    counters_.add(Counters::dropNestingLimit);
    return;
  }
  Endpoint& endpoint = *tunnel.endpoint;
  if (PathProber::isDue(tunnel, view.length, nowMs_)) searchPath(tunnel);
  size_t mtu = tunnel.mtu;
  if (endpoint.limits.known()) {
    if (endpoint.limits.learnt() != 0) PathErrors::expire(endpoint, nowMs_);
    mtu = tunnel.effectiveMtu();
  }
  if (virtio.gsoType == kGsoNone) {
    sendSingle(virtio, view, tunnel, mtu);
  } else {
    sendSuperPacket(virtio, view, tunnel, mtu);
  }
}

// The kernel applies the MTU of the route to no socket of the plane.
void Transmitter::searchPath(const Tunnel& tunnel) {
  const size_t routeMtu = pathErrors_.askRoute(tunnel);
  if (shared_.prober.start(tunnel, nowMs_, routeMtu)) shared_.transmitQueue.wake();
}

void Transmitter::holdOrDrop(const VirtioHeader& virtio, const PacketView& view,
                             const Tunnel* tunnel) {
  if (!shared_.tables.routes().isVirtual(view.family, view.destination())) {
    counters_.add(tunnel == nullptr ? Counters::dropNoRoute : Counters::dropNoAssociation);
    return;
  }
  const bool first = !shared_.outwardHold.waiting();
  const bool held = shared_.outwardHold.push(view, virtio, nowMs_);
  counters_.add(held ? Counters::heldOutward : Counters::dropOutwardHoldFull);
  // The thread that serves held packets may be another one that sleeps.
  if (held && first) shared_.transmitQueue.wake();
}

void Transmitter::sendQueued(u64 nowMs) {
  nowMs_ = nowMs;
  for (const std::vector<u8>& packet : shared_.transmitQueue.take()) {
    std::vector<u8> copy(kRoom);
    copy.insert(copy.end(), packet.begin(), packet.end());
    transmit({}, copy.data() + kRoom, packet.size());
    flush();
  }
  sendHeld(nowMs);
}

void Transmitter::sendHeld(u64 nowMs) {
  nowMs_ = nowMs;
  std::vector<HeldOutward> taken = shared_.outwardHold.take([&](HeldOutward& held) {
    PacketView view;
    return viewPacket(held.data(), held.length(), view) &&
           shared_.canSend(shared_.tables.tunnel(shared_.outwardTunnel(view)));
  });
  for (HeldOutward& held : taken) {
    counters_.add(Counters::replayedOutward);
    transmit(held.virtio, held.data(), held.length());
  }
  flush();
  const size_t expired = shared_.outwardHold.expire(nowMs, OutwardHold::kLimitMs);
  if (expired > 0) counters_.add(Counters::dropOutwardHoldExpired, expired);
}

void Transmitter::sendSuperPacket(const VirtioHeader& virtio, const PacketView& view,
                                  const Tunnel& tunnel, size_t mtu) {
  SegmentPlan plan;
  const bool planned = planSegments(virtio, view, mtu, plan);
  // The flow continues in smaller segments; this asks its sender to make them itself.
  if (plan.lowered) errors_.packetTooBig(view, tunnel, mtu, nowMs_);
  if (!planned) {
    counters_.add(plan.lowered ? Counters::dropTooBig : Counters::dropMalformed);
  } else if (tunnel.protection == Protection::sealed) {
    sendProtectedSegments(sealer_, plan, view, tunnel);
  } else if (tunnel.protection == Protection::none) {
    sendPlainSegments(plan, view, tunnel);
  } else {
    sendProtectedSegments(espSealer_, plan, view, tunnel);
  }
}

void Transmitter::sendPlain(const PacketView& view, const Tunnel& tunnel) {
  addPlain({.tunnel = &tunnel,
            .family = view.family,
            .trafficClass = view.trafficClass,
            .partCount = 1,
            .parts = {{view.data, view.length}, {}}});
}

void Transmitter::sendPlainSegments(const SegmentPlan& plan, const PacketView& view,
                                    const Tunnel& tunnel) {
  for (u32 index = 0; index < plan.count; index++) {
    if (headersUsed_ + plan.headerLength > kHeaders) flush();
    u8* header = headers_.get() + headersUsed_;
    headersUsed_ += (plan.headerLength + 15u) & ~15u;
    writeSegmentHeader(plan, view, index, header);
    addPlain({.tunnel = &tunnel,
              .family = view.family,
              .trafficClass = view.trafficClass,
              .partCount = 2,
              .parts = {{header, plan.headerLength},
                        {view.data + segmentOffset(plan, index), segmentLength(plan, index)}}});
  }
}

template <class Sealing>
void Transmitter::sendProtected(Sealing& sealer, const PacketView& view, const Tunnel& tunnel) {
  if (sealer.isFull(tunnel, view.length)) flush();
  OutgoingPacket packet;
  if (sealer.seal(tunnel, view, packet)) addProtected(sealer, packet);
}

// Each segment is sealed from where it is in the super-packet: Sealer copies no octet of it.
template <class Sealing>
void Transmitter::sendProtectedSegments(Sealing& sealer, const SegmentPlan& plan,
                                        const PacketView& view, const Tunnel& tunnel) {
  u8 header[kMaximumSegmentHeader];
  std::memcpy(header, view.data, plan.headerLength);
  for (u32 index = 0; index < plan.count; index++) {
    const PacketView segment = segmentInPlace(plan, view, header, index);
    if (sealer.isFull(tunnel, segment.length)) flush();
    OutgoingPacket packet;
    if (sealer.seal(tunnel, segment, packet)) addProtected(sealer, packet);
  }
}

void Transmitter::handleTooBig(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  const bool dontFragment = view.family == 6 || (view.data[6] & 0x40) != 0;
  if (!dontFragment) {
    fragmentInner(view, tunnel, mtu);
  } else if (view.family == 6 && view.length <= kIpv6MinimumMtu) {
    // RFC 2473 §7.1 (b): the tunnel has to carry 1280 octets, as every IPv6 link does.
    flush();
    sendInOuterFragments(view, tunnel);
  } else {
    errors_.packetTooBig(view, tunnel, mtu, nowMs_);
    counters_.add(Counters::dropTooBig);
  }
}

void Transmitter::sendInOuterFragments(const PacketView& view, const Tunnel& tunnel) {
  if (tunnel.protection == Protection::none) {
    slowPath_.sendFragmented(tunnel, view);
  } else if (tunnel.protection == Protection::sealed) {
    sendInOuterFragments(sealer_, view, tunnel);
  } else {
    sendInOuterFragments(espSealer_, view, tunnel);
  }
}

// The caller has flushed, so the sealer's arena is free.
template <class Sealing>
void Transmitter::sendInOuterFragments(Sealing& sealer, const PacketView& view,
                                       const Tunnel& tunnel) {
  OutgoingPacket packet;
  if (!sealer.seal(tunnel, view, packet)) return;
  const OuterPayload payload{.data = static_cast<const u8*>(packet.parts[0].iov_base),
                             .length = packet.parts[0].iov_len,
                             .protocol = packet.protocol(),
                             .trafficClass = view.trafficClass};
  slowPath_.sendFragmented(tunnel, payload);
  sealer.reset();
}

void Transmitter::fragmentInner(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  Packets fragments = fragmentIpv4(view, mtu);
  if (fragments.empty()) counters_.add(Counters::dropTooBig);
  for (std::vector<u8>& fragment : fragments) {
    PacketView piece = view;
    piece.data = fragment.data();
    piece.length = static_cast<u32>(fragment.size());
    sendOne(piece, tunnel);
    counters_.add(Counters::innerFragments);
  }
  // The fragments are freed when this returns.
  flush();
}

}  // namespace sojourn
