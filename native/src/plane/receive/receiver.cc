#include "plane/receive/receiver.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "path-mtu/clamp-mss.h"
#include "net/ecn.h"
#include "net/home-address.h"
#include "net/segment.h"
#include "plane/receive/inner-addresses.h"

namespace sojourn {
namespace {

// An IPv6 header and the Binding Error of RFC 6275 §6.1.9 without options.
constexpr size_t kBindingError = kIpv6Header + 24;

// RFC 4291 §2.5.5.2.
bool isIpv4Mapped(const u8* address) {
  static constexpr u8 kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address, kPrefix, sizeof kPrefix) == 0;
}

PacketPath tunnelPath(const Tunnel& tunnel) {
  PacketPath path;
  path.kind = PathKind::tunnel;
  path.tunnel = tunnel.id;
  return path;
}

Sender senderIn(const Tunnel& tunnel) {
  const Endpoint::Key& farEnd = tunnel.endpoint->identity;
  return {.acquaintance = Acquaintance::known,
          .prefixes = SourcePrefixes::of(farEnd.family, farEnd.remote, tunnel.id)};
}

}  // namespace

Receiver::Receiver(Shared& shared, Counters& counters, int tun, unsigned slot,
                   const SendSockets& sockets)
    : shared_(shared),
      counters_(counters),
      tun_(tun),
      slot_(slot),
      coalescer_(*this, shared.features.tunSegmentation, shared.features.tunUdpSegmentation),
      reassembler_(counters),
      translator_(shared, counters, tun),
      errors_(counters, tun),
      pathErrors_(shared, counters, errors_),
      relay_(shared, counters, sockets, pathErrors_),
      buffers_(new u8[kStride * kFrames]) {}

void Receiver::write(const iovec* parts, int count) {
  if (shared_.tables.translations().any() && translator_.take(parts, count, nowMs_)) return;
  counters_.add(Counters::receiveWrites);
  if (::writev(tun_, parts, count) >= 0) return;
  const bool refused = errno == EINVAL || errno == EMSGSIZE || errno == EOPNOTSUPP;
  if (!refused || !writeSegments(parts, count)) counters_.add(Counters::dropWriteError);
}

// Writes the packets of a super-packet that the TUN refused. False if it is none.
bool Receiver::writeSegments(const iovec* parts, int count) {
  VirtioHeader virtio;
  std::memcpy(&virtio, parts[0].iov_base, sizeof virtio);
  if (virtio.gsoType == kGsoNone) return false;
  std::vector<u8> whole;
  for (int part = 1; part < count; part++) {
    const auto* from = static_cast<const u8*>(parts[part].iov_base);
    whole.insert(whole.end(), from, from + parts[part].iov_len);
  }
  PacketView view;
  SegmentPlan plan;
  if (!viewPacket(whole.data(), whole.size(), view) || !planSegments(virtio, view, 65535, plan)) {
    return false;
  }
  counters_.add(Counters::coalescingOff);
  coalescer_.stopJoining(plan.protocol);
  VirtioHeader valid;
  valid.flags = kVirtioDataValid;
  u8 header[kMaximumSegmentHeader];
  for (u32 index = 0; index < plan.count; index++) {
    writeSegmentHeader(plan, view, index, header);
    const iovec segment[3] = {
        {&valid, sizeof valid},
        {header, plan.headerLength},
        {whole.data() + segmentOffset(plan, index), segmentLength(plan, index)}};
    if (::writev(tun_, segment, 3) < 0) counters_.add(Counters::dropWriteError);
  }
  return true;
}

void Receiver::tally(const Tunnel& tunnel, u64 packets, u64 octets) {
  if (tally_.tunnel != &tunnel) {
    flushTally();
    tally_.tunnel = &tunnel;
  }
  tally_.packets += packets;
  tally_.octets += octets;
}

void Receiver::flushTally() {
  if (tally_.tunnel == nullptr) return;
  TunnelCounters& counters = *tally_.tunnel->counters;
  counters.receivePackets.fetch_add(tally_.packets, std::memory_order_relaxed);
  counters.receiveOctets.fetch_add(tally_.octets, std::memory_order_relaxed);
  counters.receivedAt(nowMs_);
  counters_.add(Counters::receivePackets, tally_.packets);
  counters_.add(Counters::receiveOctets, tally_.octets);
  tally_ = {};
}

// Ends all runs: the next receive call overwrites the buffers that they point into.
void Receiver::finishBatch() {
  coalescer_.flush();
  relay_.flush();
  flushTally();
  assembled_.clear();
  if (!reassembler_.empty()) reassembler_.expire(nowMs_);
}

void Receiver::prepareMessages(int count) {
  for (int index = 0; index < count; index++) {
    parts_[index] = {buffer(index), 65536};
    msghdr& header = headers_[index].msg_hdr;
    header = {};
    header.msg_name = &from_[index];
    header.msg_namelen = sizeof from_[index].six;
    header.msg_iov = &parts_[index];
    header.msg_iovlen = 1;
    header.msg_control = control_[index].bytes;
    header.msg_controllen = sizeof control_[index].bytes;
  }
}

bool Receiver::pollUdp(int fd, u64 nowMs) {
  nowMs_ = nowMs;
  return pollDatagrams(fd, 4, Protection::none);
}

bool Receiver::pollDatagrams(int fd, int family, Protection protection) {
  polled_ = fd;
  for (int round = 0; round < kRounds; round++) {
    const int capacity = messages_;
    prepareMessages(capacity);
    const int count =
        ::recvmmsg(fd, headers_, static_cast<unsigned>(capacity), MSG_DONTWAIT, nullptr);
    if (count < 0) {
      // Any other error was left by an ICMP message; there may be datagrams behind it.
      const bool more = errno != EAGAIN && errno != EWOULDBLOCK;
      // epoll also wakes for the error queue, and does so until that is empty.
      pathErrors_.learnFrom(fd, Carrier::udp, protection);
      return more;
    }
    counters_.add(Counters::receiveCalls);
    u64 octets = 0;
    for (int index = 0; index < count; index++) {
      octets += headers_[index].msg_len;
      receiveMessage(index, family, protection);
    }
    finishBatch();
    messages_ = octets > u64{16384} * static_cast<u64>(count) ? kLargeMessages : kMessages;
    if (count < capacity) return false;
  }
  return true;
}

void Receiver::receiveMessage(int index, int family, Protection protection) {
  const UdpReceived received = readControl(headers_[index].msg_hdr);
  const SocketAddress& from = from_[index];
  const Arrival arrival{.from = {.remote = from.address(family),
                                 .port = from.port(family),
                                 .family = static_cast<u8>(family),
                                 .encapsulation = {Carrier::udp, protection}},
                        .local = received.local,
                        .trafficClass = received.trafficClass};
  const size_t length = headers_[index].msg_len;
  const size_t segment = received.segmentSize == 0 ? length : received.segmentSize;
  if (length == 0) counters_.add(Counters::dropMalformed);
  receiveDatagrams(buffer(index), length, segment, arrival);
}

// One message: datagrams of `segment` octets each, the last one maybe shorter.
void Receiver::receiveDatagrams(u8* data, size_t length, size_t segment, const Arrival& arrival) {
  for (size_t at = 0; at < length;) {
    const size_t size = std::min(segment, length - at);
    if (arrival.from.encapsulation == kPlainUdp) {
      if (shared_.options.sharesPort() && !isPlainInner(data + at)) {
        Arrival sealed = arrival;
        sealed.from.encapsulation = kSealedUdp;
        receiveSealed(data + at, size, sealed);
        at += size;
        continue;
      }
      receiveInner(data + at, size, arrival);
      at += size;
      continue;
    }
    if (arrival.from.encapsulation == kEspUdp) {
      receiveEspDatagram(data + at, size, arrival);
      at += size;
      continue;
    }
    const DatagramTrain train{.data = data + at,
                              .length = length - at,
                              .segment = segment,
                              .from = arrival.from,
                              .trafficClass = arrival.trafficClass};
    if (const size_t relayed = relay_.take(train, nowMs_)) {
      at += relayed;
      continue;
    }
    receiveSealed(data + at, size, arrival);
    at += size;
  }
}

void Receiver::receiveInner(u8* data, size_t length, const Arrival& arrival, unsigned depth) {
  PacketView view;
  if (!viewPacket(data, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  if (hasTrait(view.protocol, kTraitExtension | kTraitMobility | kTraitIcmpv6 | kTraitEsp) &&
      receiveControl(view, arrival, depth)) {
    return;
  }
  const Tunnel* tunnel = permittedTunnel(view, arrival);
  if (tunnel == nullptr) return;
  const u32 octets = view.length;
  if (!applyEcn(view, arrival.trafficClass)) return;
  tally(*tunnel, 1, octets);
  if (mayNeedClamping(view) && clampMss(view, *tunnel)) counters_.add(Counters::mssClamped);
  if (!receiveNested(view, arrival, depth)) coalescer_.add(view, arrival.checksum);
}

// A packet for this host rather than for the TUN. False if it is none.
bool Receiver::receiveControl(PacketView& view, const Arrival& arrival, unsigned depth) {
  if (view.protocol == kProtocolIcmpv6) return depth == 0 && receiveProbe(view, arrival);
  const bool plainUdp = arrival.from.encapsulation == kPlainUdp;
  if (!plainUdp && !shared_.tables.knowsLocal()) return false;
  const Control control = controlKind(view);
  if (control == Control::none) return false;
  if (control == Control::plain && plainUdp) {
    puntUdp(view, arrival);
    return true;
  }
  if (control == Control::fragment) {
    const bool known = shared_.tables.endpoint(arrival.from) != nullptr;
    PacketView whole;
    if (reassemble(view, known, whole)) receiveInner(whole.data, whole.length, arrival, depth);
    return true;
  }
  const Tunnel* tunnel = permittedTunnel(view, arrival);
  if (tunnel == nullptr) return true;
  if (control != Control::homeAddressed) {
    puntTunnel(view, *tunnel);
    return true;
  }
  const u32 octets = view.length;
  if (!applyEcn(view, arrival.trafficClass)) return true;
  tally(*tunnel, 1, octets);
  receiveHomeAddressed(view, {}, tunnelPath(*tunnel), senderIn(*tunnel));
  return true;
}

// A probe of the path, or an answer to one, from the far end of a tunnel. False if it is none.
bool Receiver::receiveProbe(const PacketView& view, const Arrival& arrival) {
  PathProbe probe;
  if (!readPathProbe(view, probe)) return false;
  const Tunnel* opened = arrival.authenticated;
  if (opened == nullptr && shared_.tables.endpoint(arrival.from) == nullptr) return false;
  if (probe.answer) {
    shared_.prober.confirm(opened == nullptr ? arrival.from : opened->endpoint->identity, probe,
                           nowMs_);
  } else {
    OuterPath path;
    path.carrier = arrival.from.encapsulation.carrier();
    path.family = arrival.from.family;
    path.remotePort = arrival.from.port;
    path.local = arrival.local;
    path.remote = arrival.from.remote;
    const u32 tunnel = opened == nullptr ? 0 : opened->id;
    if (!shared_.prober.answer(probe, tunnel, path, nowMs_)) return true;
  }
  // Another thread sends what follows.
  shared_.transmitQueue.wake();
  return true;
}

// A tunnel in the tunnel, from a node behind this host's mobile router. False if the packet is not
// for this host but for the TUN.
bool Receiver::receiveNested(const PacketView& view, const Arrival& outer, unsigned depth) {
  const bool forThisHost =
      shared_.tables.knowsLocal() && shared_.tables.isLocal(view.family, view.destination());
  if (!forThisHost) return false;
  const UpperLayer upper = upperLayer(view);
  if (upper.protocol != kProtocolIpv6 && upper.protocol != kProtocolIpv4) return false;
  if (depth + 1 >= kNestingLimit) {
    counters_.add(Counters::dropNestingLimit);
    return true;
  }
  // The far end of a tunnel puts no second tunnel to the same host into it.
  const Address source = Address::of(view.family, view.source());
  if (view.family == outer.from.family && source == outer.from.remote) {
    counters_.add(Counters::dropInnerAddress);
    return true;
  }
  const Arrival arrival{.from = {.remote = source,
                                 .family = view.family,
                                 .encapsulation = kIpInIp},
                        .local = Address::of(view.family, view.destination()),
                        .trafficClass = view.trafficClass};
  receiveInner(view.data + upper.offset, view.length - upper.offset, arrival, depth + 1);
  return true;
}

// The tunnel that the packet may have come through: that of its mobile-side address
// (RFC 6275 §10.4.5), or that of its source among the peers. Its far end must be the endpoint that
// the packet came from, or its key must have opened the packet. Null: the packet is held or
// dropped.
const Tunnel* Receiver::permittedTunnel(const PacketView& view, const Arrival& arrival) {
  const u32 id = shared_.inwardTunnel(view);
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (arrival.authenticated != nullptr) {
    if (id == arrival.authenticated->id) return soundly(view, arrival.authenticated);
    counters_.add(Counters::dropPermit);
    return nullptr;
  }
  if (tunnel != nullptr && tunnel->endpoint->identity == arrival.from) return soundly(view, tunnel);
  holdOrDrop(view, arrival, tunnel);
  return nullptr;
}

// `tunnel`, or null if a router at its far end would not have forwarded the packet. On a mobile
// node nothing from its own addresses and prefixes comes back out of a tunnel (RFC 2827); the home
// agent's own address is a source like any other, because it sends errors and pings.
const Tunnel* Receiver::soundly(const PacketView& view, const Tunnel* tunnel) {
  const bool own = shared_.options.lookup == TunnelLookup::byInnerSource &&
                   (shared_.tables.route(view.family, view.source()) != 0 ||
                    (shared_.tables.knowsLocal() &&
                     shared_.tables.isLocal(view.family, view.source())));
  if (!own && hasTunnelScope(view)) return tunnel;
  counters_.add(Counters::dropInnerAddress);
  return nullptr;
}

void Receiver::holdOrDrop(const PacketView& view, const Arrival& arrival, const Tunnel* tunnel) {
  noticeUnknownEndpoint(view, arrival);
  if (shared_.tables.endpoint(arrival.from) != nullptr) {
    counters_.add(Counters::dropPermit);
  } else if (tunnel == nullptr || tunnel->protection != Protection::none ||
             shared_.options.holdMs == 0) {
    counters_.add(Counters::dropUnknownEndpoint);
  } else if (shared_.inwardHold.push(arrival.from, tunnel->id, arrival.trafficClass, view.data,
                                     view.length, nowMs_)) {
    counters_.add(Counters::held);
  } else {
    counters_.add(Counters::dropHoldFull);
  }
}

// The endpoint has no tunnel for the packet: this host has forgotten its node, or a NAT gave that
// another port. The node is told although the packet is held, since its Binding Update may not come
// before the next refresh.
void Receiver::noticeUnknownEndpoint(const PacketView& view, const Arrival& arrival) {
  if (unknownEndpoints_ == nullptr) return;
  const bool udp = arrival.from.encapsulation.carrier() == Carrier::udp;
  // The answer goes without a tunnel to an IPv6 endpoint, and in UDP to an IPv4 endpoint.
  const size_t outer = arrival.from.family == 6 ? kIpv6Header : kIpv4Header;
  const size_t answer = udp                         ? kBindingError
                        : arrival.from.family == 6 ? kBindingError - outer
                                                   : kBindingError + kUdpHeader;
  if (!unknownEndpoints_->allow(arrival.from, view.length, answer, nowMs_)) return;
  PacketPath path;
  path.kind = PathKind::unknown;
  path.family = arrival.from.family;
  path.udp = udp;
  path.local = arrival.local;
  path.localPort = udp ? shared_.options.udpPort : u16{0};
  path.remote = arrival.from.remote;
  path.remotePort = arrival.from.port;
  path.innerFamily = view.family;
  path.innerSource = Address::of(view.family, view.source());
  const Sender sender = senderAt(arrival.from);
  const bool taken =
      shared_.punts.push({std::move(path), {}}, sender.acquaintance, sender.prefixes);
  counters_.add(taken ? Counters::unknownEndpointNotices : Counters::dropPuntFull);
}

void Receiver::releaseHeld(const Endpoint::Key& from, u64 nowMs) {
  nowMs_ = nowMs;
  std::vector<HeldInward> taken = shared_.inwardHold.take(from);
  for (HeldInward& held : taken) {
    counters_.add(Counters::replayed);
    receiveInner(held.packet.data(), held.packet.size(),
                 {.from = held.from, .local = {}, .trafficClass = held.trafficClass});
  }
  finishBatch();
}

bool Receiver::applyEcn(PacketView& view, u8 outer) {
  const u8 ecn = decapsulatedEcn(view.trafficClass, outer);
  if (ecn == (view.trafficClass & 3)) return true;
  if (ecn == 0xff) {
    counters_.add(Counters::dropEcn);
    return false;
  }
  setEcn(view, ecn);
  return true;
}

Receiver::Control Receiver::controlKind(const PacketView& view) {
  if (view.family != 6) return Control::none;
  ChainEnd end;
  bool mobility = view.protocol == kProtocolMobility;
  if (!mobility) {
    end = walkChain(view.data, view.length);
    mobility = end.protocol == kProtocolMobility || shared_.tables.espSpis().takes(view, end);
    if (end.malformed || (!mobility && !end.homeAddressOption)) return Control::none;
  }
  // A home agent that knows only the IPv4 home address of a node writes to it so; no router
  // forwards such an address.
  const u8* destination = view.destination();
  if (!shared_.tables.isLocal(6, destination) && !isIpv4Mapped(destination)) return Control::none;
  if (end.fragment) return Control::fragment;
  if (!mobility) return Control::homeAddressed;
  return end.homeAddressOption ? Control::withHomeAddressOption : Control::plain;
}

// RFC 5555 §4.1. There is no ingress check, because only the registration will permit the tunnel.
void Receiver::puntUdp(const PacketView& view, const Arrival& arrival) {
  if (!isMobilityChecksumRight(view)) {
    counters_.add(Counters::dropChecksum);
    return;
  }
  PacketPath path;
  path.kind = PathKind::udp;
  path.local = arrival.local;
  path.localPort = shared_.options.udpPort;
  path.remote = arrival.from.remote;
  path.remotePort = arrival.from.port;
  Sender sender = senderAt(arrival.from);
  shared_.gate.judgeRegistration(view, sender);
  punt(std::move(path), sender, view.data, view.length);
}

void Receiver::puntTunnel(const PacketView& view, const Tunnel& tunnel) {
  Sender sender = senderIn(tunnel);
  shared_.gate.judgeRegistration(view, sender);
  punt(tunnelPath(tunnel), sender, view.data, view.length);
}

Sender Receiver::senderAt(const Endpoint::Key& from) const {
  const bool known =
      shared_.tables.endpoint(from) != nullptr ||
      shared_.gate.spokenTo.includes(from.family, from.remote, from.port, nowMs_);
  return {.acquaintance = known ? Acquaintance::known : Acquaintance::stranger,
          .prefixes = SourcePrefixes::of(from.family, from.remote)};
}

void Receiver::punt(PacketPath&& path, const Sender& sender, const u8* packet, size_t length) {
  const bool taken =
      shared_.punts.push({std::move(path), std::vector<u8>(packet, packet + length)},
                         sender.acquaintance, sender.prefixes);
  counters_.add(taken ? Counters::punts : Counters::dropPuntFull);
}

}  // namespace sojourn
