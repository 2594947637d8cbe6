#include "transmit.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sojourn {

Transmitter::Transmitter(Shared& shared, Counters& counters, const SendSockets& sockets, int tun)
    : shared_(shared),
      counters_(counters),
      tun_(tun),
      errors_(counters, tun),
      pathErrors_(shared, counters, errors_),
      slowPath_(counters, sockets),
      udp_(shared, counters, sockets, pathErrors_, slowPath_),
      raw_(shared, counters, sockets, pathErrors_, slowPath_),
      arena_(new u8[kArena]),
      headers_(new u8[kHeaders]) {}

bool Transmitter::turn(u64 nowMs) {
  nowMs_ = nowMs;
  size_t used = 0;
  bool more = true;
  for (int reads = 0; reads < kReads && kArena - used >= kLargestRead; reads++) {
    u8* buffer = arena_.get() + used;
    const ssize_t length = ::read(tun_, buffer, kLargestRead);
    if (length < static_cast<ssize_t>(sizeof(VirtioHeader))) {
      more = length < 0 && errno == EINTR;
      gone_ = length < 0 && errno == EBADFD;
      break;
    }
    counters_.add(Counters::transmitReads);
    VirtioHeader virtio;
    std::memcpy(&virtio, buffer, sizeof virtio);
    packet(virtio, buffer + sizeof virtio, static_cast<size_t>(length) - sizeof virtio);
    // Cache lines of one packet are not shared with the next.
    used += (static_cast<size_t>(length) + 63) & ~size_t{63};
  }
  flush();
  return more;
}

void Transmitter::flush() {
  udp_.flush();
  raw_.flush();
  headersUsed_ = 0;
}

void Transmitter::add(const OutgoingPacket& packet) {
  if (packet.tunnel->encapsulation == Encapsulation::udp) {
    udp_.add(packet);
  } else {
    raw_.add(packet);
  }
}

void Transmitter::packet(const VirtioHeader& virtio, u8* data, size_t length) {
  PacketView view;
  if (!viewPacket(data, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  const u32 id = shared_.tables.route(view.family, shared_.keyOutward(view));
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (tunnel == nullptr) {
    counters_.add(Counters::dropNoRoute);
    return;
  }
  if (view.protocol != kProtocolTcp && encapsulations(view, shared_.options.udpPort) >= kNestingLimit) {
    counters_.add(Counters::dropNestingLimit);
    return;
  }
  if (tunnel->endpoint->pathMtu.load(std::memory_order_relaxed) != 0) PathErrors::age(*tunnel->endpoint, nowMs_);
  const size_t mtu = tunnel->effectiveMtu();
  if (virtio.gsoType == kGsoNone) {
    single(virtio, view, *tunnel, mtu);
  } else {
    superPacket(virtio, view, *tunnel, mtu);
  }
}

void Transmitter::single(const VirtioHeader& virtio, PacketView& view, const Tunnel& tunnel, size_t mtu) {
  if ((virtio.flags & kVirtioNeedsChecksum) != 0 && !completeChecksum(virtio, view.data, view.length)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (view.length > mtu) {
    tooBig(view, tunnel, mtu);
    return;
  }
  add({&tunnel, view.family, view.trafficClass, 1, {{view.data, view.length}, {}}});
}

void Transmitter::superPacket(const VirtioHeader& virtio, const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  SegmentPlan plan;
  if (!planSegments(virtio, view, mtu, plan)) {
    if (plan.lowered) errors_.packetTooBig(view, tunnel, mtu, nowMs_);
    counters_.add(plan.lowered ? Counters::dropTooBig : Counters::dropMalformed);
    return;
  }
  // The flow goes on in smaller segments, and its sender is told to make them itself.
  if (plan.lowered) errors_.packetTooBig(view, tunnel, mtu, nowMs_);
  for (u32 index = 0; index < plan.count; index++) {
    if (headersUsed_ + plan.headerLength > kHeaders) flush();
    u8* header = headers_.get() + headersUsed_;
    headersUsed_ += (plan.headerLength + 15u) & ~15u;
    writeSegmentHeader(plan, view, index, header);
    add({&tunnel,
         view.family,
         view.trafficClass,
         2,
         {{header, plan.headerLength}, {view.data + segmentOffset(plan, index), segmentLength(plan, index)}}});
  }
}

void Transmitter::tooBig(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  const bool dontFragment = view.family == 6 || (view.data[6] & 0x40) != 0;
  if (!dontFragment) {
    fragmentInner(view, tunnel, mtu);
  } else if (view.family == 6 && view.length <= kIpv6MinimumMtu) {
    // RFC 2473 §7.1 (b): every IPv6 link carries 1280 octets, so the tunnel has to.
    flush();
    slowPath_.sendFragmented(tunnel, view);
  } else {
    errors_.packetTooBig(view, tunnel, mtu, nowMs_);
    counters_.add(Counters::dropTooBig);
  }
}

void Transmitter::fragmentInner(const PacketView& view, const Tunnel& tunnel, size_t mtu) {
  Packets fragments = fragmentIpv4(view, mtu);
  if (fragments.empty()) counters_.add(Counters::dropTooBig);
  for (std::vector<u8>& fragment : fragments) {
    add({&tunnel, 4, view.trafficClass, 1, {{fragment.data(), fragment.size()}, {}}});
    counters_.add(Counters::innerFragments);
  }
  // The fragments live only here.
  flush();
}

}  // namespace sojourn
