// The receiver's raw path: frames of the AF_PACKET tap and of link taps.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>

#include "net/home-address.h"
#include "net/segment.h"
#include "plane/receive/receiver.h"

namespace sojourn {
namespace {

// Octets in front of the IP header, from the auxiliary data.
size_t linkHeaderOf(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data;
    std::memcpy(&data, CMSG_DATA(header), sizeof data);
    return data.tp_net;
  }
  return 0;
}

Endpoint::Key sourceOf(const PacketView& outer) {
  return {.remote = Address::of(outer.family, outer.source()),
          .family = outer.family,
          .encapsulation = kIpInIp};
}

// A host on a link, by its address there.
Sender senderOn(const sockaddr_ll& from) {
  u64 host = 0;
  std::memcpy(&host, from.sll_addr, 6);
  return {.acquaintance = Acquaintance::link,
          .prefixes = SourcePrefixes::ofSender(static_cast<u64>(from.sll_ifindex) + 2, host)};
}

// Empty if the device is gone.
std::string deviceName(int index) {
  char name[IF_NAMESIZE] = "";
  return ::if_indextoname(static_cast<unsigned>(index), name) == nullptr ? "" : name;
}

}  // namespace

bool Receiver::pollTap(int fd, u64 nowMs) {
  nowMs_ = nowMs;
  for (int index = 0; index < kFrames; index++) {
    parts_[index] = {buffer(index), kBuffer};
    headers_[index].msg_hdr = {};
    headers_[index].msg_hdr.msg_iov = &parts_[index];
    headers_[index].msg_hdr.msg_iovlen = 1;
    headers_[index].msg_hdr.msg_control = control_[index].bytes;
    headers_[index].msg_hdr.msg_controllen = sizeof control_[index].bytes;
  }
  const int count = ::recvmmsg(fd, headers_, kFrames, MSG_DONTWAIT, nullptr);
  if (count < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
  counters_.add(Counters::receiveCalls);
  for (int index = 0; index < count; index++) {
    receiveFrame(buffer(index), headers_[index].msg_len, linkHeaderOf(headers_[index].msg_hdr));
  }
  finishBatch();
  return count == kFrames;
}

void Receiver::receiveFrame(u8* data, size_t length, size_t linkHeader) {
  VirtioHeader virtio;
  const size_t before = sizeof virtio + linkHeader;
  if (length < before) return;
  std::memcpy(&virtio, data, sizeof virtio);
  // From here on both offsets count from the IP header.
  virtio.checksumStart = static_cast<u16>(virtio.checksumStart - linkHeader);
  virtio.headerLength = static_cast<u16>(virtio.headerLength - linkHeader);
  u8* packet = data + before;
  const size_t size = length - before;
  PacketView outer;
  // Not counted: the kernel judges its own copy of the frame.
  if (!viewPacket(packet, size, outer)) return;
  // Virtual devices leave checksums to hardware that does not exist: the field then holds the
  // pseudo-header's sum (RFC 1071) and has to be completed.
  if (virtio.gsoType == kGsoNone && (virtio.flags & kVirtioNeedsChecksum) != 0) {
    if (!completeChecksum(virtio, packet, outer.length)) return;
  }
  if (outer.family == 6) {
    receiveFrame6(outer, virtio);
  } else {
    receiveFrame4(outer, virtio);
  }
}

void Receiver::receiveFrame4(const PacketView& outer, const VirtioHeader& virtio) {
  if (outer.protocol != kProtocolIpv6 && outer.protocol != kProtocolIpv4) return;
  if (outer.fragment) {
    receiveFragment(outer);
  } else {
    decapsulate(outer, outer.headerLength, virtio);
  }
}

void Receiver::receiveFrame6(const PacketView& outer, const VirtioHeader& virtio) {
  if (outer.protocol == kProtocolIpv6 || outer.protocol == kProtocolIpv4) {
    decapsulate(outer, kIpv6Header, virtio);
    return;
  }
  const ChainEnd end = walkChain(outer.data, outer.length);
  if (end.malformed) return;
  const bool tunnelled = end.protocol == kProtocolIpv6 || end.protocol == kProtocolIpv4;
  const bool esp = end.protocol == kProtocolEsp && !end.fragment;
  if (esp && !end.homeAddressOption && receiveEspPacket(outer, end.offset)) return;
  const EspSpis& spis = shared_.tables.espSpis();
  const bool mobility = end.protocol == kProtocolMobility || spis.takes(outer, end);
  const bool control = mobility || end.homeAddressOption;
  // The options, or the SPI, behind a Fragment header are known once the packet is whole.
  const bool unknown = end.fragment && (end.protocol == kProtocolDestination ||
                                        (end.protocol == kProtocolEsp && shared_.tables.anyEsp()));
  if (!tunnelled && !control && !unknown && !end.typeTwoRouting) {
    if (end.protocol == kProtocolIcmpv6 && !end.fragment) {
      puntProblem(outer, end.offset);
      if (shared_.options.optimized) receiveOptimizedError(outer, end.offset);
    }
    return;
  }
  if (end.fragment) {
    receiveFragment(outer);
  } else if (!mobility && (end.homeAddressOption || end.typeTwoRouting)) {
    if (!shared_.tables.isLocal(6, outer.destination())) return;
    receiveHomeAddressed(outer, virtio, {}, senderAt(sourceOf(outer)));
  } else if (control && end.atomicAt != 0) {
    std::vector<u8> whole = withoutAtomicHeader(outer, end.atomicAt, end.atomicNamedAt);
    PacketView view;
    if (viewPacket(whole.data(), whole.size(), view)) puntIpv6(view);
  } else if (control) {
    puntIpv6(outer);
  } else {
    decapsulate(outer, end.offset, virtio);
  }
}

// Frames bypass the kernel's own reassembly.
void Receiver::receiveFragment(const PacketView& outer) {
  const bool known = shared_.tables.endpoint(sourceOf(outer)) != nullptr;
  // The tap of a router also sees packets that it forwards.
  if (!known && !isForThisHost(outer)) return;
  PacketView whole;
  if (!reassemble(outer, known, whole)) return;
  if (whole.family == 6) {
    receiveFrame6(whole, {});
  } else {
    receiveFrame4(whole, {});
  }
}

bool Receiver::reassemble(const PacketView& fragment, bool known, PacketView& whole) {
  using Source = Reassembler::Source;
  std::vector<u8> packet =
      reassembler_.add(fragment, known ? Source::farEnd : Source::stranger, nowMs_);
  if (packet.empty()) return false;
  assembled_.push_back(std::move(packet));
  return viewPacket(assembled_.back().data(), assembled_.back().size(), whole);
}

void Receiver::receiveHomeAddressed(PacketView packet, const VirtioHeader& virtio,
                                    PacketPath path, const Sender& sender) {
  HomeAddressHeaders headers;
  const bool sound = findHomeAddressHeaders(packet, headers);
  const bool option = headers.optionAt != 0 || !sound;
  const Tunnel* bound = sound && headers.optionAt != 0
                            ? shared_.boundTunnel(optionAddress(packet, headers), packet)
                            : nullptr;
  if (option && bound == nullptr) {
    const bool answered = walkChain(packet.data, packet.length).homeAddressOption;
    if (answered) {
      punt(std::move(path), sender, packet.data, packet.length);
    } else {
      counters_.add(Counters::dropHomeAddress);
    }
    return;
  }
  if (headers.routingAt != 0 && !shared_.isOwnHomeAddress(routingAddress(packet, headers))) {
    counters_.add(Counters::dropHomeAddress);
    return;
  }
  counters_.add(Counters::homeAddressPackets);
  const u32 removed = exchangeHomeAddresses(packet, headers);
  if (bound != nullptr && bound->path.carrier == Carrier::optimized) {
    tally(*bound, 1, packet.length);
  }
  deliverExchanged(packet, virtio, removed);
}

void Receiver::deliverExchanged(PacketView packet, VirtioHeader virtio, u32 removed) {
  if (virtio.gsoType == kGsoNone) {
    coalescer_.add(packet, ChecksumState::unknown);
    return;
  }
  SegmentPlan plan;
  virtio.checksumStart = static_cast<u16>(virtio.checksumStart - removed);
  virtio.headerLength =
      static_cast<u16>(virtio.headerLength > removed ? virtio.headerLength - removed : 0);
  if (!planSegments(virtio, packet, 65535, plan)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  virtio.headerLength = plan.headerLength;
  coalescer_.addSuper(packet, virtio);
}

// An ICMPv6 Parameter Problem about a Mobility Header of this mobile node (RFC 6275 §11.3.5). The
// kernel gets its own copy.
void Receiver::puntProblem(const PacketView& outer, u32 offset) {
  constexpr u8 kParameterProblem = 4;
  if (shared_.options.lookup == TunnelLookup::byInnerDestination) return;
  if (offset + 8 > outer.length || outer.data[offset] != kParameterProblem) return;
  PacketView quoted;
  if (!viewQuoted(outer.data + offset + 8, outer.length - offset - 8, quoted)) return;
  if (quoted.family != 6 || !shared_.tables.isLocal(6, quoted.source())) return;
  if (walkChain(quoted.data, quoted.length).protocol == kProtocolMobility) puntIpv6(outer);
}

// An ICMPv6 error about a packet on an optimized path. The kernel gets its own copy, which names
// the care-of address, and finds no connection to it.
void Receiver::receiveOptimizedError(const PacketView& outer, u32 offset) {
  if (!shared_.tables.isLocal(6, outer.destination())) return;
  if (!pathErrors_.learnFromOptimized(outer, offset)) return;
  punt(PacketPath{}, senderAt(sourceOf(outer)), outer.data, outer.length);
}

void Receiver::puntIpv6(const PacketView& outer) {
  // The tap of a router also sees packets that it forwards; those are not counted.
  if (!shared_.tables.isLocal(6, outer.destination())) return;
  if (!isMobilityChecksumRight(outer)) {
    counters_.add(Counters::dropChecksum);
    return;
  }
  Sender sender = senderAt(sourceOf(outer));
  shared_.gate.judgeRegistration(outer, sender);
  punt(PacketPath{}, sender, outer.data, outer.length);
}

void Receiver::decapsulate(const PacketView& outer, u32 offset, const VirtioHeader& virtio) {
  Arrival arrival{.from = sourceOf(outer),
                  .local = Address::of(outer.family, outer.destination()),
                  .trafficClass = outer.trafficClass};
  // The tap of a router also sees tunnels that it forwards; those are not counted.
  const bool known = shared_.tables.endpoint(arrival.from) != nullptr;
  if (!known && !isForThisHost(outer)) return;
  const bool partial = (virtio.flags & kVirtioNeedsChecksum) != 0;
  if (partial && virtio.checksumStart >= offset) arrival.checksum = ChecksumState::right;
  if (virtio.gsoType == kGsoNone) {
    receiveInner(outer.data + offset, outer.length - offset, arrival);
  } else {
    receiveSuperPacket(outer.data + offset, outer.length - offset, arrival, virtio, offset);
  }
}

// The kernel's GRO made one packet of several (ip6ip6, sit and ipip have receive offload). It is
// handed on as one.
void Receiver::receiveSuperPacket(u8* data, size_t length, const Arrival& arrival,
                                  VirtioHeader virtio, u32 offset) {
  PacketView view;
  if (!viewPacket(data, length, view) || virtio.checksumStart < offset || virtio.gsoSize == 0) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  virtio.checksumStart = static_cast<u16>(virtio.checksumStart - offset);
  virtio.headerLength =
      static_cast<u16>(virtio.headerLength > offset ? virtio.headerLength - offset : 0);
  SegmentPlan plan;
  if (!planSegments(virtio, view, 65535, plan)) {
    counters_.add(Counters::dropMalformed);
    return;
  }
  virtio.headerLength = plan.headerLength;
  const Tunnel* tunnel = permittedTunnel(view, arrival);
  if (tunnel == nullptr || !applyEcn(view, arrival.trafficClass)) return;
  tally(*tunnel, plan.count, view.length);
  coalescer_.addSuper(view, virtio);
}

bool Receiver::pollLink(int fd, const std::string& device) {
  for (int taken = 0; taken < kFrames; taken++) {
    sockaddr_ll from{};
    socklen_t size = sizeof from;
    const ssize_t length =
        ::recvfrom(fd, buffer(0), kBuffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
    if (length < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    PacketPath path;
    path.kind = PathKind::link;
    path.device = device.empty() ? deviceName(from.sll_ifindex) : device;
    path.arp = ntohs(from.sll_protocol) == ETH_P_ARP;
    std::memcpy(path.linkAddress, from.sll_addr, 6);
    punt(std::move(path), senderOn(from), buffer(0), static_cast<size_t>(length));
  }
  return true;
}

}  // namespace sojourn
