#include <algorithm>
#include <cerrno>

#include "batch.h"
#include "congestion.h"

namespace sojourn {
namespace {

void account(const Tunnel& tunnel, u64 packets, u64 octets) {
  tunnel.counters->transmitPackets.fetch_add(packets, std::memory_order_relaxed);
  tunnel.counters->transmitOctets.fetch_add(octets, std::memory_order_relaxed);
}

}  // namespace

bool isPendingError(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EPROTO || error == EHOSTDOWN ||
         error == ENOPROTOOPT || error == EACCES;
}

// The youngest message of the tunnel, if `packet` may still join it: an older one would be overtaken.
UdpBatch::Message* UdpBatch::openMessage(const OutgoingPacket& packet, size_t length) {
  for (int index = count_ - 1; index >= 0; index--) {
    Message& message = messages_[index];
    if (message.tunnel != packet.tunnel) continue;
    const bool fits = segmentation_ && !message.closed && message.trafficClass == packet.trafficClass &&
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
  message.closed = false;
  return message;
}

void UdpBatch::add(const OutgoingPacket& packet) {
  const size_t length = packet.length();
  Message* open = openMessage(packet, length);
  Message& message = open != nullptr ? *open : newMessage(packet, length);
  for (int part = 0; part < packet.partCount; part++) message.vector[message.parts++] = packet.parts[part];
  message.octets += static_cast<u32>(length);
  message.segments++;
  if (length < message.segmentSize) message.closed = true;
}

void UdpBatch::prepare(Message& message, mmsghdr& header) {
  message.to = socketAddress(message.tunnel->remote(), message.tunnel->remotePort());
  header = {};
  header.msg_hdr.msg_name = &message.to;
  header.msg_hdr.msg_namelen = sizeof message.to;
  header.msg_hdr.msg_iov = message.vector;
  header.msg_hdr.msg_iovlen = message.parts;
  const u16 segmentSize = message.segments > 1 ? message.segmentSize : u16{0};
  writeControl(header.msg_hdr, message.control,
               {&message.tunnel->local, outerTrafficClass(message.trafficClass), segmentSize});
}

void UdpBatch::sent(const Message& message) {
  counters_.add(Counters::transmitPackets, message.segments);
  counters_.add(Counters::transmitOctets, message.octets);
  account(*message.tunnel, message.segments, message.octets);
}

void UdpBatch::flush() {
  mmsghdr headers[kMessages];
  for (int index = 0; index < count_; index++) prepare(messages_[index], headers[index]);
  int retries = 0;
  for (int done = 0; done < count_;) {
    counters_.add(Counters::transmitCalls);
    const int accepted = ::sendmmsg(sockets_.udp, headers + done, static_cast<unsigned>(count_ - done), 0);
    if (accepted > 0) {
      for (int index = done; index < done + accepted; index++) sent(messages_[index]);
      done += accepted;
      retries = 0;
    } else if (errno == EINTR || (isPendingError(errno) && retries++ == 0)) {
      continue;
    } else {
      if (!recover(messages_[done], errno)) counters_.add(Counters::dropSendError, messages_[done].segments);
      done++;
      retries = 0;
    }
  }
  count_ = 0;
}

bool UdpBatch::recover(Message& message, int error) {
  if (error == EMSGSIZE || (error == EINVAL && message.segments > 1)) {
    // Too large for the path: udp_send_skb says EINVAL when a segment with its headers does not fit the fragment size.
    pathErrors_.learnFrom(sockets_.udp, Encapsulation::udp);
    pathErrors_.probe(*message.tunnel);
    sendApart(message, true);
    return true;
  }
  if (error == EIO && message.segments > 1) {
    // udp_send_skb refuses segmentation where the device has no checksum offload or the route has a transform (IPsec).
    segmentation_ = false;
    counters_.add(Counters::segmentationOff);
    sendApart(message, false);
    return true;
  }
  return false;
}

void UdpBatch::sendApart(Message& message, bool fragmented) {
  std::vector<u8> whole;
  whole.reserve(message.octets);
  for (int part = 0; part < message.parts; part++) {
    const auto* from = static_cast<const u8*>(message.vector[part].iov_base);
    whole.insert(whole.end(), from, from + message.vector[part].iov_len);
  }
  for (size_t at = 0; at < whole.size(); at += message.segmentSize) {
    const size_t length = std::min<size_t>(message.segmentSize, whole.size() - at);
    PacketView view;
    if (fragmented) {
      if (viewPacket(whole.data() + at, length, view)) slowPath_.sendFragmented(*message.tunnel, view);
      continue;
    }
    iovec part{whole.data() + at, length};
    msghdr header{};
    header.msg_name = &message.to;
    header.msg_namelen = sizeof message.to;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    writeControl(header, message.control, {&message.tunnel->local, outerTrafficClass(message.trafficClass), 0});
    counters_.add(Counters::transmitCalls);
    if (::sendmsg(sockets_.udp, &header, 0) < 0) {
      counters_.add(Counters::dropSendError);
      continue;
    }
    counters_.add(Counters::transmitPackets);
    counters_.add(Counters::transmitOctets, length);
    account(*message.tunnel, 1, length);
  }
}

}  // namespace sojourn
