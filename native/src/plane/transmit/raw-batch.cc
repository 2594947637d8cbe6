#include <cerrno>

#include "net/ecn.h"
#include "net/optimized.h"
#include "plane/transmit/batch.h"

namespace sojourn {

namespace {

iovec innerPart(const OuterPath& path, const OutgoingPacket& packet) {
  const iovec& first = packet.parts[0];
  if (path.carrier != Carrier::optimized) return first;
  return {static_cast<u8*>(first.iov_base) + kIpv6Header, first.iov_len - kIpv6Header};
}

}  // namespace

size_t RawBatch::writeHeaders(Slot& slot) {
  const OutgoingPacket& packet = slot.packet;
  const OuterPath& path = packet.tunnel->path;
  if (path.carrier == Carrier::optimized) {
    const auto* own = static_cast<const u8*>(packet.parts[0].iov_base);
    writeOptimizedHeaders(path, own, packet.length(), slot.header);
    return kOptimizedHeaders;
  }
  const u8 trafficClass = outerTrafficClass(packet.trafficClass);
  return writeOuterHeader(path, packet.protocol(), trafficClass, packet.length(), slot.header);
}

// What is behind the outer IP header, as an error quotes it.
void RawBatch::record(const Slot& slot) {
  const OutgoingPacket& packet = slot.packet;
  const Tunnel& tunnel = *packet.tunnel;
  const size_t octets = slot.vector[0].iov_len + slot.vector[1].iov_len +
                        (packet.partCount == 2 ? slot.vector[2].iov_len : 0);
  if (tunnel.path.carrier != Carrier::optimized) {
    sent_.record(tunnel.endpoint->identity, packet.parts, packet.partCount, octets);
    return;
  }
  iovec parts[3] = {slot.vector[0], slot.vector[1], slot.vector[2]};
  parts[0] = {static_cast<u8*>(parts[0].iov_base) + kIpv6Header, kHomeAddressHeader};
  sent_.record(tunnel.endpoint->identity, parts, 1u + packet.partCount, octets);
}

void RawBatch::add(const OutgoingPacket& packet) {
  const OuterPath& path = packet.tunnel->path;
  const int shared = sockets_.raw[path.family == 6][packet.family == 6];
  const int own = shared < 0 ? -1 : connected_.socketFor(*packet.tunnel, packet.family);
  const int fd = own < 0 ? shared : own;
  if (fd < 0) {
    countRefused(counters_, *packet.tunnel, 1);
    return;
  }
  if (count_ == kPackets || (count_ > 0 && fd != fd_)) flush();
  fd_ = fd;
  Slot& slot = slots_[count_];
  slot.packet = packet;
  // All but the IPv6 header of the packet itself, if that is replaced.
  const iovec inner = innerPart(path, packet);
  const size_t header = writeHeaders(slot);
  slot.vector[0] = {slot.header, header};
  slot.vector[1] = inner;
  slot.vector[2] = packet.parts[1];
  Endpoint& endpoint = *packet.tunnel->endpoint;
  if (count_ == 0 || SentRecord::recordsAll(endpoint)) record(slot);
  mmsghdr& message = headers_[count_++];
  message = {};
  message.msg_hdr.msg_iov = slot.vector;
  message.msg_hdr.msg_iovlen = 1u + packet.partCount;
  // A connected socket has the address.
  if (own >= 0) return;
  message.msg_hdr.msg_name = &slot.to;
  if (path.family == 6) {
    addressTo6(slot, message.msg_hdr);
  } else {
    addressTo4(slot, message.msg_hdr);
  }
}

// The kernel does not route by the source in the packet's own header; rules that choose an uplink
// by source need it here.
template <class Info>
void RawBatch::routeBySource(Slot& slot, msghdr& header, int level, int type, const Info& info) {
  static_assert(CMSG_SPACE(sizeof info) <= sizeof slot.control);
  auto* control = reinterpret_cast<cmsghdr*>(slot.control);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(control), &info, sizeof info);
  header.msg_control = slot.control;
  header.msg_controllen = CMSG_SPACE(sizeof info);
}

void RawBatch::addressTo6(Slot& slot, msghdr& header) {
  const OuterPath& path = slot.packet.tunnel->path;
  slot.to = {};
  slot.to.sin6_family = AF_INET6;
  std::memcpy(&slot.to.sin6_addr, path.remote.bytes, 16);
  header.msg_namelen = sizeof slot.to;
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, path.local.bytes, 16);
  routeBySource(slot, header, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

void RawBatch::addressTo4(Slot& slot, msghdr& header) {
  const OuterPath& path = slot.packet.tunnel->path;
  const sockaddr_in to = socketAddress(path.remote, 0);
  std::memcpy(&slot.to, &to, sizeof to);
  header.msg_namelen = sizeof to;
  in_pktinfo info{};
  std::memcpy(&info.ipi_spec_dst, path.local.bytes, 4);
  routeBySource(slot, header, IPPROTO_IP, IP_PKTINFO, info);
}

void RawBatch::flush() {
  int retries = 0;
  for (int done = 0; done < count_;) {
    counters_.add(Counters::transmitCalls);
    const int accepted = ::sendmmsg(fd_, headers_ + done, static_cast<unsigned>(count_ - done), 0);
    if (accepted > 0) {
      for (int index = done; index < done + accepted; index++) {
        const OutgoingPacket& packet = slots_[index].packet;
        countSent(counters_, *packet.tunnel, 1, packet.length());
      }
      done += accepted;
      retries = 0;
    } else if (errno != EINTR && !(isPendingError(errno) && retries++ < kPendingErrors)) {
      recover(slots_[done++], errno);
      retries = 0;
    }
  }
  count_ = 0;
}

void RawBatch::recover(const Slot& slot, int error) {
  if (error != EMSGSIZE) {
    countRefused(counters_, *slot.packet.tunnel, 1);
    return;
  }
  const OutgoingPacket& packet = slot.packet;
  pathErrors_.refused(*packet.tunnel);
  std::vector<u8> whole;
  for (int part = 0; part < packet.partCount; part++) {
    const auto* from = static_cast<const u8*>(packet.parts[part].iov_base);
    whole.insert(whole.end(), from, from + packet.parts[part].iov_len);
  }
  const OuterPayload payload{.data = whole.data(),
                             .length = whole.size(),
                             .protocol = packet.protocol(),
                             .trafficClass = packet.trafficClass};
  slowPath_.sendFragmented(*packet.tunnel, payload);
}

}  // namespace sojourn
