#include "plane/path-errors.h"

#include <algorithm>

#include "sockets/udp-socket.h"

namespace sojourn {
namespace {

constexpr u16 kDiscardPort = 9;

template <class Socket>
int mtuOfConnected(int fd, const Socket& local, const Socket& remote, int level, int option) {
  // If this host no longer has the source address, the answer is merely less exact.
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) errno = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) != 0) return -1;
  int mtu = -1;
  socklen_t size = sizeof mtu;
  return ::getsockopt(fd, level, option, &mtu, &size) == 0 ? mtu : -1;
}

// A connected socket has a route, and the route has the MTU. Nothing is sent.
int kernelPathMtu(const OuterPath& path, int mark) {
  const int domain = path.family == 6 ? AF_INET6 : AF_INET;
  const Descriptor socket(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return -1;
  const int fd = socket.get();
  if (mark != 0) setOption(fd, SOL_SOCKET, SO_MARK, mark);
  if (path.family == 6) {
    const sockaddr_in6 remote = socketAddress6(path.remote, kDiscardPort);
    return mtuOfConnected(fd, socketAddress6(path.local, 0), remote, IPPROTO_IPV6, IPV6_MTU);
  }
  const sockaddr_in remote = socketAddress(path.remote, kDiscardPort);
  return mtuOfConnected(fd, socketAddress(path.local, 0), remote, IPPROTO_IP, IP_MTU);
}

}  // namespace

void PathErrors::learnFrom(int fd, Carrier carrier, Protection protection) {
  drainErrors(fd, [&](const ErrorReport& report) { handle(report, carrier, protection); });
}

void PathErrors::handle(const ErrorReport& report, Carrier carrier, Protection protection) {
  Endpoint* endpoint =
      shared_.tables.endpoint({.remote = report.remote,
                               .port = carrier == Carrier::udp ? report.port : u16{0},
                               .family = report.family,
                               .encapsulation = {carrier, protection}});
  if (endpoint == nullptr) return;
  if (report.mtu != 0) lower(*endpoint, report.mtu);
  if (report.unreachable) relay(report, *endpoint);
}

// Relays the error only if the inner packet would be sent to that endpoint now. This ignores errors
// about an address that the node has left, and forged errors about packets that were never sent.
void PathErrors::relay(const ErrorReport& report, const Endpoint& endpoint) {
  // The quoted packet is ciphertext.
  if (endpoint.identity.encapsulation.protection() != Protection::none) return;
  size_t outer = 0;
  if (endpoint.identity.encapsulation.carrier() == Carrier::ip) {
    outer = report.family == 6 ? kIpv6Header : kIpv4Header;
    if (report.quotedLength < outer) return;
    const u8 protocol = report.quoted[report.family == 6 ? 6 : 9];
    if (protocol != kProtocolIpv6 && protocol != kProtocolIpv4) return;
  }
  PacketView inner;
  if (!viewQuoted(report.quoted + outer, report.quotedLength - outer, inner)) return;
  const Tunnel* tunnel = shared_.tables.tunnel(shared_.outwardTunnel(inner));
  if (tunnel == nullptr || !(tunnel->endpoint->identity == endpoint.identity)) return;
  sender_.unreachable(inner, *tunnel, monotonicMs());
}

void PathErrors::probe(const Tunnel& tunnel) {
  const int mtu = kernelPathMtu(tunnel.path, shared_.options.mark);
  if (mtu > 0 && mtu <= 65535) lower(*tunnel.endpoint, static_cast<u16>(mtu));
}

void PathErrors::lower(Endpoint& endpoint, u16 reported) {
  const bool six = endpoint.identity.family == 6;
  const u16 mtu = std::max(reported, six ? static_cast<u16>(kIpv6MinimumMtu) : kMinimumMtu4);
  const u16 before = endpoint.limits.learnt();
  if (before != 0 && before <= mtu) return;
  endpoint.learntUntil.set(monotonicMs(), kLifetimeMs);
  endpoint.limits.setLearnt(mtu);
  counters_.add(Counters::pathMtuLearnt);
}

}  // namespace sojourn
