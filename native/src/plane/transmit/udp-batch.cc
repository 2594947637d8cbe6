#include <algorithm>
#include <cerrno>

#include "net/ecn.h"
#include "plane/transmit/batch.h"

namespace sojourn {

bool isPendingError(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EPROTO || error == EHOSTDOWN || error == ENOPROTOOPT || error == EACCES ||
         error == EMSGSIZE;
}

namespace {

// udp_send_skb refuses UDP_SEGMENT with EIO if the device has no checksum offload or the route has
// a transform (IPsec), and with EINVAL or EMSGSIZE if a segment with its headers exceeds the path
// MTU. Sandboxes and kernels without it use the others.
bool refusesSegmentation(int error) {
  return error == EIO || error == EINVAL || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

}  // namespace

// The youngest message of the tunnel, if `packet` can join it. Joining an older one would reorder.
UdpBatch::Message* UdpBatch::openMessage(const OutgoingPacket& packet, size_t length) {
  for (int index = count_ - 1; index >= 0; index--) {
    Message& message = messages_[index];
    if (message.tunnel != packet.tunnel) continue;
    const bool fits = segmentation_ && !message.closed &&
                      message.trafficClass == packet.trafficClass &&
                      length <= message.segmentSize && message.segments < kSegments &&
                      message.octets + length <= kMaximumDatagram;
    return fits ? &message : nullptr;
  }
  return nullptr;
}

UdpBatch::Message& UdpBatch::newMessage(const OutgoingPacket& packet, size_t length) {
  if (count_ == kMessages) flush();
  Message& message = messages_[count_++];
  message.tunnel = packet.tunnel;
  message.octets = 0;
  message.segmentSize = static_cast<u16>(length);
  message.segments = 0;
  message.parts = 0;
  message.trafficClass = packet.trafficClass;
  message.closed = sendsOneByOne(*packet.tunnel->endpoint);
  return message;
}

// Expired refusals are forgotten, because the route or the device may be another one by now.
bool UdpBatch::sendsOneByOne(Endpoint& endpoint) {
  if (!endpoint.oneByOneUntil.isSet()) return false;
  if (endpoint.oneByOneUntil.isPending(monotonicMs())) return true;
  endpoint.oneByOneUntil.clear();
  return false;
}

void UdpBatch::add(const OutgoingPacket& packet) {
  const size_t length = packet.length();
  Endpoint& endpoint = *packet.tunnel->endpoint;
  if (count_ == 0 || SentRecord::recordsAll(endpoint)) {
    const size_t outer = packet.tunnel->path.headers() + length;
    sent_.record(endpoint.identity, packet.parts, packet.partCount, outer);
  }
  Message* open = openMessage(packet, length);
  Message& message = open != nullptr ? *open : newMessage(packet, length);
  for (int part = 0; part < packet.partCount; part++) append(message, packet.parts[part]);
  message.octets += static_cast<u32>(length);
  message.segments++;
  if (length < message.segmentSize) message.closed = true;
}

// Merges a part that is adjacent to the previous one: the kernel walks fewer.
void UdpBatch::append(Message& message, const iovec& part) {
  if (message.parts > 0) {
    iovec& last = message.vector[message.parts - 1];
    if (static_cast<u8*>(last.iov_base) + last.iov_len == part.iov_base) {
      last.iov_len += part.iov_len;
      return;
    }
  }
  message.vector[message.parts++] = part;
}

void UdpBatch::prepare(Message& message, mmsghdr& header) {
  const OuterPath& path = message.tunnel->path;
  message.to.set(path.family, path.remote, path.remotePort);
  header = {};
  header.msg_hdr.msg_name = &message.to;
  header.msg_hdr.msg_namelen = message.to.length;
  header.msg_hdr.msg_iov = message.vector;
  header.msg_hdr.msg_iovlen = message.parts;
  writeControlFor(message, header.msg_hdr, message.segments > 1 ? message.segmentSize : u16{0});
}

void UdpBatch::writeControlFor(Message& message, msghdr& header, u16 segmentSize) {
  const OuterPath& path = message.tunnel->path;
  writeControl(header, message.control,
               {.source = &path.local,
                .family = path.family,
                .trafficClass = outerTrafficClass(message.trafficClass),
                .segmentSize = segmentSize});
}

void UdpBatch::flush() {
  mmsghdr headers[kMessages];
  for (int index = 0; index < count_; index++) prepare(messages_[index], headers[index]);
  int retries = 0;
  for (int done = 0; done < count_;) {
    counters_.add(Counters::transmitCalls);
    const int accepted = ::sendmmsg(fd_, headers + done, static_cast<unsigned>(count_ - done), 0);
    if (accepted > 0) {
      countSentMessages(done, done + accepted);
      done += accepted;
      retries = 0;
    } else if (errno == EINTR || (isPendingError(errno) && retries++ < kPendingErrors)) {
      continue;
    } else {
      Message& refused = messages_[done++];
      if (!recover(refused, errno)) countRefused(counters_, *refused.tunnel, refused.segments);
      retries = 0;
    }
  }
  count_ = 0;
}

void UdpBatch::countSentMessages(int first, int end) {
  for (int index = first; index < end; index++) {
    const Message& sent = messages_[index];
    countSent(counters_, *sent.tunnel, sent.segments, sent.octets);
  }
}

bool UdpBatch::recover(Message& message, int error) {
  const bool several = message.segments > 1;
  if (error != EMSGSIZE && !(several && refusesSegmentation(error))) return false;
  if (error == EMSGSIZE || error == EINVAL) learnPathMtu(*message.tunnel);
  // The kernel's errors do not tell apart what it refuses: packets that are too large, or
  // segmentation. If it takes the same packets one by one, it was segmentation.
  const bool tooLarge = sendSegments(message);
  if (several && !tooLarge) {
    message.tunnel->endpoint->oneByOneUntil.set(monotonicMs(), kOneByOneMs);
    counters_.add(Counters::segmentationOff);
  }
  return true;
}

void UdpBatch::learnPathMtu(const Tunnel& tunnel) {
  pathErrors_.learnFrom(fd_, tunnel.path.carrier, tunnel.protection);
  pathErrors_.refused(tunnel);
}

// Sends the packets of a message one by one, those that are too large for the path in fragments.
// True if one was.
bool UdpBatch::sendSegments(Message& message) {
  std::vector<u8> whole;
  whole.reserve(message.octets);
  for (int part = 0; part < message.parts; part++) {
    const auto* from = static_cast<const u8*>(message.vector[part].iov_base);
    whole.insert(whole.end(), from, from + message.vector[part].iov_len);
  }
  bool tooLarge = false;
  for (size_t at = 0; at < whole.size(); at += message.segmentSize) {
    const size_t length = std::min<size_t>(message.segmentSize, whole.size() - at);
    if (exceedsPath(*message.tunnel, length) ||
        sendSegment(message, whole.data() + at, length) == EMSGSIZE) {
      tooLarge = true;
      sendFragmented(message, whole.data() + at, length);
    }
  }
  return tooLarge;
}

// `length`: octets behind the UDP header.
bool UdpBatch::exceedsPath(const Tunnel& tunnel, size_t length) {
  const size_t pathMtu = tunnel.endpoint->limits.least();
  return pathMtu != 0 && tunnel.path.headers() + length > pathMtu;
}

// Returns 0 or errno. Counts the packet, unless it is too large.
int UdpBatch::sendSegment(Message& message, u8* data, size_t length) {
  iovec part{data, length};
  msghdr header{};
  header.msg_name = &message.to;
  header.msg_namelen = message.to.length;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  writeControlFor(message, header, 0);
  for (int attempt = 0;; attempt++) {
    counters_.add(Counters::transmitCalls);
    if (::sendmsg(fd_, &header, 0) >= 0) break;
    const int error = errno;
    if (error == EINTR || (isPendingError(error) && attempt < kPendingErrors)) continue;
    if (error != EMSGSIZE) countRefused(counters_, *message.tunnel, 1);
    return error;
  }
  countSent(counters_, *message.tunnel, 1, length);
  return 0;
}

void UdpBatch::sendFragmented(const Message& message, u8* data, size_t length) {
  const Tunnel& tunnel = *message.tunnel;
  if (tunnel.protection != Protection::none) {
    const OuterPayload payload{.data = data,
                               .length = length,
                               .protocol = kProtocolNone,
                               .trafficClass = message.trafficClass};
    slowPath_.sendFragmented(tunnel, payload);
    return;
  }
  PacketView view;
  if (viewPacket(data, length, view)) slowPath_.sendFragmented(tunnel, view);
}

}  // namespace sojourn
