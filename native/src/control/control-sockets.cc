#include "control/control-sockets.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/system-error.h"
#include "base/thread.h"

namespace sojourn {
namespace {

constexpr int kBufferOctets = 8 << 20;
constexpr int kEvents = 16;
constexpr u32 kStop = 0xffffffff;

void watch(const Descriptor& epoll, const Descriptor& fd, u32 number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = number;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) throwSystemError("epoll");
}

}  // namespace

ControlSockets::ControlSockets(const std::vector<ControlEndpoint>& endpoints,
                               ControlProtocol protocol, std::function<void()> wake)
    : protocol_(protocol),
      punts_(std::move(wake)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffers_(new u8[kBuffer * kMessages]) {
  if (!stop_) throwSystemError("eventfd");
  if (!epoll_) throwSystemError("epoll");
  for (const ControlEndpoint& endpoint : endpoints) bound_.push_back(bindTo(endpoint));
  watch(epoll_, stop_, kStop);
  for (size_t at = 0; at < bound_.size(); at++) {
    watch(epoll_, bound_[at].socket, static_cast<u32>(at));
  }
  thread_ = startThread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "control-in");
}

ControlSockets::~ControlSockets() {
  const u64 one = 1;
  if (::write(stop_.get(), &one, sizeof one) < 0) return;
  if (thread_.joinable()) thread_.join();
}

ControlSockets::Bound ControlSockets::bindTo(const ControlEndpoint& endpoint) {
  const int family = endpoint.family;
  Descriptor udp(::socket(family == 6 ? AF_INET6 : AF_INET,
                          SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!udp) throwSystemError("UDP socket");
  if (family == 6) setOption(udp.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  // Forged ICMP errors write the kernel's cache of path MTUs, and would cause fragments.
  if (family == 6) {
    setOption(udp.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
  } else {
    setOption(udp.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  }
  requestBuffers(udp.get(), kBufferOctets);
  SocketAddress address;
  address.set(family, endpoint.address, endpoint.port);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (::bind(udp.get(), name, address.length) != 0) {
    throwSystemError("UDP port " + std::to_string(endpoint.port),
                     errno == EADDRINUSE ? "another program has this port" : "");
  }
  if (::getsockname(udp.get(), name, &address.length) != 0) throwSystemError("UDP port");
  ControlEndpoint at = endpoint;
  at.port = address.port(family);
  return {at, std::move(udp)};
}

std::vector<ControlEndpoint> ControlSockets::endpoints() const {
  std::vector<ControlEndpoint> all;
  for (const Bound& bound : bound_) all.push_back(bound.at);
  return all;
}

int ControlSockets::send(const PacketPath& path, const u8* packet, size_t length) {
  const auto from = std::find_if(bound_.begin(), bound_.end(), [&](const Bound& bound) {
    return bound.at.port == path.localPort && bound.at.family == path.family &&
           bound.at.address == path.local;
  });
  if (from == bound_.end()) return EADDRNOTAVAIL;
  SocketAddress to;
  to.set(path.family, path.remote, path.remotePort);
  const auto* name = reinterpret_cast<const sockaddr*>(&to);
  return ::sendto(from->socket.get(), packet, length, 0, name, to.length) >= 0 ? 0 : errno;
}

Admission ControlSockets::admit(const u8* datagram, size_t length, const PacketPath& path,
                                u64 nowMs, Sender& sender) {
  if (protocol_ == ControlProtocol::ntmobile) {
    CookieReply reply;
    const Admission admission =
        gate_.admit(datagram, length, path, nowMs, sender, received_, reply);
    if (admission == Admission::answered) send(path, reply.octets, sizeof reply.octets);
    return admission;
  }
  sender = {.acquaintance = Acquaintance::stranger,
            .prefixes = SourcePrefixes::of(path.family, path.remote)};
  return Admission::admitted;
}

void ControlSockets::run() {
  for (;;) {
    epoll_event events[kEvents];
    const int count = ::epoll_wait(epoll_.get(), events, kEvents, -1);
    const u64 nowMs = monotonicMs();
    for (int index = 0; index < count; index++) {
      if (events[index].data.u32 == kStop) return;
      receive(bound_[events[index].data.u32], nowMs);
    }
  }
}

// Reads some, and lets the other sockets have their turn.
void ControlSockets::receive(const Bound& bound, u64 nowMs) {
  for (int round = 0; round < kRounds; round++) {
    for (int index = 0; index < kMessages; index++) {
      parts_[index] = {buffers_.get() + static_cast<size_t>(index) * kBuffer, kBuffer};
      msghdr& header = headers_[index].msg_hdr;
      header = {};
      header.msg_name = &from_[index];
      header.msg_namelen = sizeof from_[index].six;
      header.msg_iov = &parts_[index];
      header.msg_iovlen = 1;
    }
    const int count =
        ::recvmmsg(bound.socket.get(), headers_, kMessages, MSG_DONTWAIT, nullptr);
    if (count < 0) return;
    received_.add(Counters::receiveCalls);
    for (int index = 0; index < count; index++) receiveMessage(bound, index, nowMs);
    if (count < kMessages) return;
  }
}

void ControlSockets::receiveMessage(const Bound& bound, int index, u64 nowMs) {
  const int family = bound.at.family;
  const u8* data = static_cast<const u8*>(parts_[index].iov_base);
  const size_t length = headers_[index].msg_len;
  const bool cut = (headers_[index].msg_hdr.msg_flags & MSG_TRUNC) != 0;
  received_.add(Counters::receivePackets);
  if ((protocol_ == ControlProtocol::ntmobile && length < sizeof(u32)) || cut) {
    received_.add(Counters::dropMalformed);
    return;
  }
  // An answer to a link-local address would need its link.
  const Address remote = from_[index].address(family);
  if (family == 6 && remote.bytes[0] == 0xfe && (remote.bytes[1] & 0xc0) == 0x80) {
    received_.add(Counters::dropPermit);
    return;
  }
  PacketPath path;
  path.kind = PathKind::datagram;
  path.family = static_cast<u8>(family);
  path.local = bound.at.address;
  path.localPort = bound.at.port;
  path.remote = remote;
  path.remotePort = from_[index].port(family);
  Sender sender;
  if (admit(data, length, path, nowMs, sender) != Admission::admitted) return;
  const bool taken = punts_.push({std::move(path), std::vector<u8>(data, data + length)},
                                 sender.acquaintance, sender.prefixes);
  received_.add(taken ? Counters::punts : Counters::dropPuntFull);
}

}  // namespace sojourn
