#include "plane/receive/receiver.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "net/ecn.h"

namespace sojourn {

Receiver::Receiver(Shared& shared, Counters& counters, int tun, unsigned slot,
                   const SendSockets& sockets)
    : shared_(shared),
      counters_(counters),
      tun_(tun),
      slot_(slot),
      coalescer_(*this, shared.features.tunSegmentation, shared.features.tunUdpSegmentation),
      translator_(shared, counters, tun),
      errors_(counters, tun),
      pathErrors_(shared, counters, errors_),
      relay_(shared, counters, sockets, pathErrors_),
      buffers_(new u8[kStride * kFrames]) {}

void Receiver::write(const iovec* parts, int count) {
  if (shared_.tables.translations().any() && translator_.take(parts, count, nowMs_)) return;
  counters_.add(Counters::receiveWrites);
  if (::writev(tun_, parts, count) < 0) counters_.add(Counters::dropWriteError);
}

void Receiver::tally(const Tunnel& tunnel, u64 packets, u64 octets) {
  if (tally_.tunnel != &tunnel) {
    settle();
    tally_.tunnel = &tunnel;
  }
  tally_.packets += packets;
  tally_.octets += octets;
}

void Receiver::settle() {
  if (tally_.tunnel == nullptr) return;
  TunnelCounters& counters = *tally_.tunnel->counters;
  counters.receivePackets.fetch_add(tally_.packets, std::memory_order_relaxed);
  counters.receiveOctets.fetch_add(tally_.octets, std::memory_order_relaxed);
  counters.lastReceivedMs.store(nowMs_, std::memory_order_relaxed);
  counters_.add(Counters::receivePackets, tally_.packets);
  counters_.add(Counters::receiveOctets, tally_.octets);
  tally_ = {};
}

// Runs end here: their bytes lie in buffers that the next call fills again.
void Receiver::finishTurn() {
  coalescer_.flush();
  relay_.flush();
  settle();
}

void Receiver::prepareUdp(int count) {
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

bool Receiver::turnUdp(int fd, u64 nowMs) {
  nowMs_ = nowMs;
  return turnDatagrams(fd, 4, Encapsulation::udp);
}

bool Receiver::turnDatagrams(int fd, int family, Encapsulation encapsulation) {
  for (int round = 0; round < kRounds; round++) {
    const int wanted = messages_;
    prepareUdp(wanted);
    const int count =
        ::recvmmsg(fd, headers_, static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
    if (count < 0) {
      // Any other error is one that an ICMP message left at the socket: the queue behind it is
      // still to be read.
      const bool more = errno != EAGAIN && errno != EWOULDBLOCK;
      // Nothing to read although epoll woke us: its cause is the error queue, which it tells of
      // until that is empty.
      pathErrors_.learnFrom(fd, encapsulation);
      return more;
    }
    counters_.add(Counters::receiveCalls);
    u64 octets = 0;
    for (int index = 0; index < count; index++) {
      octets += headers_[index].msg_len;
      udpMessage(index, family, encapsulation);
    }
    finishTurn();
    messages_ = octets > u64{16384} * static_cast<u64>(count) ? kLargeMessages : kMessages;
    if (count < wanted) return false;
  }
  return true;
}

void Receiver::udpMessage(int index, int family, Encapsulation encapsulation) {
  const UdpReceived received = readControl(headers_[index].msg_hdr);
  const SocketAddress& from = from_[index];
  Arrival arrival{};
  arrival.from = {from.address(family), from.port(family), static_cast<u8>(family), encapsulation};
  arrival.local = received.local;
  arrival.trafficClass = received.trafficClass;
  const size_t length = headers_[index].msg_len;
  const size_t segment = received.segmentSize == 0 ? length : received.segmentSize;
  if (length == 0) counters_.add(Counters::dropMalformed);
  datagrams(buffer(index), length, segment, arrival);
}

// What one receive call brought: datagrams of `segment` octets each, the last one maybe shorter.
void Receiver::datagrams(u8* data, size_t length, size_t segment, const Arrival& arrival) {
  for (size_t at = 0; at < length;) {
    const size_t size = std::min(segment, length - at);
    if (arrival.from.encapsulation != Encapsulation::sealed) {
      inner(data + at, size, arrival);
    } else if (const size_t relayed = relay_.take(
                   {data + at, length - at, segment, arrival.from, arrival.trafficClass}, nowMs_)) {
      at += relayed;
      continue;
    } else {
      sealed(data + at, size, arrival);
    }
    at += size;
  }
}

void Receiver::inner(u8* data, size_t length, const Arrival& arrival, unsigned depth) {
  PacketView view;
  if (!viewPacket(data, length, view)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  const bool udp = arrival.from.encapsulation == Encapsulation::udp;
  const Control control = udp || shared_.tables.knowsLocal() ? controlOf(view) : Control::none;
  if (control == Control::registration && udp) {
    puntUdp(view, arrival);
    return;
  }
  const Tunnel* tunnel = permitted(view, arrival);
  if (tunnel == nullptr) return;
  if (control != Control::none) {
    puntTunnel(view, *tunnel);
    return;
  }
  const u32 octets = view.length;
  if (!applyEcn(view, arrival.trafficClass)) return;
  tally(*tunnel, 1, octets);
  if (!nested(view, depth)) coalescer_.add(view, arrival.checksum);
}

// A tunnel in the tunnel: of a node behind a mobile router of ours. True when it is no packet for
// the TUN.
bool Receiver::nested(const PacketView& view, unsigned depth) {
  if (!shared_.tables.knowsLocal() || !shared_.tables.isLocal(view.family, view.destination())) {
    return false;
  }
  const UpperLayer upper = upperLayer(view);
  if (upper.protocol != kProtocolIpv6 && upper.protocol != kProtocolIpv4) return false;
  if (depth + 1 >= kNestingLimit) {
    counters_.add(Counters::dropNestingLimit);
    return true;
  }
  Arrival arrival{};
  arrival.from = {Address::of(view.family, view.source()), 0, view.family, Encapsulation::ipip};
  arrival.local = Address::of(view.family, view.destination());
  arrival.trafficClass = view.trafficClass;
  inner(view.data + upper.offset, view.length - upper.offset, arrival, depth + 1);
  return true;
}

// The tunnel that the packet may have come through: the one of its mobile-side address (RFC 6275
// §10.4.5) or of its source among the peers, and its far end must be where the packet came from, or
// its key has opened the packet. Counts and maybe holds what it refuses.
const Tunnel* Receiver::permitted(const PacketView& view, const Arrival& arrival) {
  const u32 id = shared_.inward(view);
  const Tunnel* tunnel = id == 0 ? nullptr : shared_.tables.tunnel(id);
  if (arrival.sealed != nullptr) {
    if (id == arrival.sealed->id) return arrival.sealed;
    counters_.add(Counters::dropPermit);
    return nullptr;
  }
  if (tunnel != nullptr && tunnel->endpoint->identity == arrival.from) return tunnel;
  refuse(view, arrival, tunnel);
  return nullptr;
}

void Receiver::refuse(const PacketView& view, const Arrival& arrival, const Tunnel* tunnel) {
  if (shared_.tables.endpoint(arrival.from) != nullptr) {
    counters_.add(Counters::dropPermit);
  } else if (tunnel == nullptr || shared_.options.holdMs == 0) {
    counters_.add(Counters::dropUnknownEndpoint);
  } else if (shared_.hold.push(arrival.from, arrival.trafficClass, view.data, view.length,
                               nowMs_)) {
    counters_.add(Counters::held);
  } else {
    counters_.add(Counters::dropHoldFull);
  }
}

void Receiver::replay(const Endpoint::Key& from, u64 nowMs) {
  nowMs_ = nowMs;
  std::vector<HoldQueue::Held> taken = shared_.hold.take(from);
  for (HoldQueue::Held& held : taken) {
    Arrival arrival{};
    arrival.from = held.from;
    arrival.trafficClass = held.trafficClass;
    counters_.add(Counters::replayed);
    inner(held.packet.data(), held.packet.size(), arrival);
  }
  finishTurn();
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

// Whether it is a Mobility Header for this host, and of which kind. Where no local addresses are
// known, all of them are.
Receiver::Control Receiver::controlOf(const PacketView& view) {
  if (view.family != 6) return Control::none;
  bool homeAddressOption = false;
  if (view.protocol != kProtocolMobility) {
    if (!isExtensionHeader(view.protocol)) return Control::none;
    const ChainEnd end = walkChain(view.data, view.length);
    if (end.malformed || end.fragment || end.protocol != kProtocolMobility) return Control::none;
    homeAddressOption = end.homeAddressOption;
  }
  if (!shared_.tables.isLocal(6, view.destination())) return Control::none;
  return homeAddressOption ? Control::native : Control::registration;
}

// RFC 5555 §4.1: before any permit, which it is to bring about.
void Receiver::puntUdp(const PacketView& view, const Arrival& arrival) {
  ControlPath path;
  path.kind = PathKind::udp;
  path.local = arrival.local;
  path.localPort = shared_.options.udpPort;
  path.remote = arrival.from.remote;
  path.remotePort = arrival.from.port;
  punt(std::move(path), view.data, view.length);
}

void Receiver::puntTunnel(const PacketView& view, const Tunnel& tunnel) {
  ControlPath path;
  path.kind = PathKind::tunnel;
  path.tunnel = tunnel.id;
  punt(std::move(path), view.data, view.length);
}

void Receiver::punt(ControlPath&& path, const u8* packet, size_t length) {
  const bool taken =
      shared_.punts.push({std::move(path), std::vector<u8>(packet, packet + length)});
  counters_.add(taken ? Counters::punts : Counters::dropPuntFull);
}

}  // namespace sojourn
