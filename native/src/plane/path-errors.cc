#include "plane/path-errors.h"

#include <algorithm>

#include "sockets/udp-socket.h"

namespace sojourn {
namespace {

template <class Socket>
int mtuOfConnected(int fd, const Socket& local, const Socket& remote, int level, int option) {
  // A source that this host no longer has only makes the answer less exact.
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) errno = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) != 0) return -1;
  int mtu = -1;
  socklen_t size = sizeof mtu;
  return ::getsockopt(fd, level, option, &mtu, &size) == 0 ? mtu : -1;
}

// A connected socket has a route, and the route knows; nothing is sent.
int pathMtuOfKernel(const Tunnel& tunnel, int mark) {
  const Descriptor socket(
      ::socket(tunnel.family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return -1;
  if (mark != 0) enable(socket.get(), SOL_SOCKET, SO_MARK, mark);
  if (tunnel.family == 6) {
    const sockaddr_in6 local = socketAddress6(tunnel.local, 0);
    return mtuOfConnected(socket.get(), local, socketAddress6(tunnel.remote(), 9), IPPROTO_IPV6,
                          IPV6_MTU);
  }
  const sockaddr_in local = socketAddress(tunnel.local, 0);
  return mtuOfConnected(socket.get(), local, socketAddress(tunnel.remote(), 9), IPPROTO_IP, IP_MTU);
}

}  // namespace

void PathErrors::learnFrom(int fd, Encapsulation encapsulation) {
  drainErrors(fd, [&](const ErrorReport& report) { take(report, encapsulation); });
}

void PathErrors::take(const ErrorReport& report, Encapsulation encapsulation) {
  const u16 port = encapsulation == Encapsulation::ipip ? u16{0} : report.port;
  Endpoint* endpoint = shared_.tables.endpoint({report.remote, port, report.family, encapsulation});
  if (endpoint == nullptr) return;
  if (report.mtu != 0) lower(*endpoint, report.mtu);
  if (report.unreachable) relay(report, *endpoint);
}

// Only for what would go to that endpoint now: an error about a place that the node has left, or
// one that somebody made up about packets that were never sent, reaches nobody.
void PathErrors::relay(const ErrorReport& report, const Endpoint& endpoint) {
  // What it quotes is ciphertext.
  if (endpoint.identity.encapsulation == Encapsulation::sealed) return;
  size_t outer = 0;
  if (endpoint.identity.encapsulation == Encapsulation::ipip) {
    outer = report.family == 6 ? kIpv6Header : kIpv4Header;
    if (report.quotedLength < outer) return;
    const u8 protocol = report.quoted[report.family == 6 ? 6 : 9];
    if (protocol != kProtocolIpv6 && protocol != kProtocolIpv4) return;
  }
  PacketView inner;
  if (!viewQuoted(report.quoted + outer, report.quotedLength - outer, inner)) return;
  const Tunnel* tunnel = shared_.tables.tunnel(shared_.outward(inner));
  if (tunnel == nullptr || !(tunnel->endpoint->identity == endpoint.identity)) return;
  sender_.unreachable(inner, *tunnel, monotonicMs());
}

void PathErrors::probe(const Tunnel& tunnel) {
  const int mtu = pathMtuOfKernel(tunnel, shared_.options.mark);
  if (mtu > 0 && mtu <= 65535) lower(*tunnel.endpoint, static_cast<u16>(mtu));
}

void PathErrors::lower(Endpoint& endpoint, u16 reported) {
  const u16 least = endpoint.identity.family == 6 ? static_cast<u16>(kIpv6MinimumMtu) : kLeast4;
  const u16 mtu = std::max(reported, least);
  const u16 before = endpoint.pathMtu.load(std::memory_order_relaxed);
  if (before != 0 && before <= mtu) return;
  endpoint.pathMtuAt.store(static_cast<u32>(monotonicMs() / 1000), std::memory_order_relaxed);
  endpoint.pathMtu.store(mtu, std::memory_order_relaxed);
  counters_.add(Counters::pathMtuLearnt);
}

}  // namespace sojourn
