#include "sockets/route-mtu.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "base/descriptor.h"
#include "sockets/udp-socket.h"

namespace sojourn {
namespace {

constexpr u16 kDiscardPort = 9;

struct Request {
  nlmsghdr header{};
  rtmsg route{};
  u8 attributes[96]{};

  template <class T>
  void add(u16 type, const T& value, size_t size) {
    rtattr attribute{static_cast<u16>(RTA_LENGTH(size)), type};
    u8* at = reinterpret_cast<u8*>(this) + NLMSG_ALIGN(header.nlmsg_len);
    std::memcpy(at, &attribute, sizeof attribute);
    std::memcpy(at + sizeof attribute, &value, size);
    const size_t before = NLMSG_ALIGN(header.nlmsg_len);
    header.nlmsg_len = static_cast<u32>(before + RTA_ALIGN(RTA_LENGTH(size)));
  }
};

struct FoundRoute {
  int device = 0;
  int mtu = 0;
};

Request requestFor(const OuterPath& path, int mark, bool fromLocal) {
  const size_t size = path.family == 6 ? 16 : 4;
  Request request;
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.route);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.route.rtm_family = path.family == 6 ? AF_INET6 : AF_INET;
  request.route.rtm_dst_len = static_cast<u8>(8 * size);
  // The entry of the table: a cached route has the MTU of the kernel's cache.
  request.route.rtm_flags = RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH;
  request.add(RTA_DST, path.remote, size);
  if (fromLocal) {
    request.route.rtm_src_len = static_cast<u8>(8 * size);
    request.add(RTA_SRC, path.local, size);
  }
  if (mark != 0) request.add(RTA_MARK, static_cast<u32>(mark), sizeof(u32));
  return request;
}

int metricOf(const rtattr* metrics) {
  int length = static_cast<int>(RTA_PAYLOAD(metrics));
  for (auto* at = static_cast<const rtattr*>(RTA_DATA(metrics)); RTA_OK(at, length);
       at = RTA_NEXT(at, length)) {
    if (at->rta_type == RTAX_MTU) return static_cast<int>(raw32(static_cast<u8*>(RTA_DATA(at))));
  }
  return 0;
}

FoundRoute readRoute(const nlmsghdr* header) {
  FoundRoute found;
  int length = static_cast<int>(RTM_PAYLOAD(header));
  for (auto* at = RTM_RTA(NLMSG_DATA(header)); RTA_OK(at, length); at = RTA_NEXT(at, length)) {
    if (at->rta_type == RTA_OIF) {
      found.device = static_cast<int>(raw32(static_cast<u8*>(RTA_DATA(at))));
    } else if (at->rta_type == RTA_METRICS) {
      found.mtu = metricOf(at);
    } else if (at->rta_type == RTA_MULTIPATH && RTA_PAYLOAD(at) >= sizeof(rtnexthop)) {
      found.device = static_cast<const rtnexthop*>(RTA_DATA(at))->rtnh_ifindex;
    }
  }
  return found;
}

FoundRoute findRoute(const OuterPath& path, int mark, bool fromLocal) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return {};
  const Request request = requestFor(path, mark, fromLocal);
  if (::send(socket.get(), &request, request.header.nlmsg_len, 0) < 0) return {};
  alignas(nlmsghdr) u8 answer[2048];
  // The kernel answers within the call that asks.
  const ssize_t size = ::recv(socket.get(), answer, sizeof answer, MSG_DONTWAIT);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (size < 0 || !NLMSG_OK(header, static_cast<size_t>(size))) return {};
  return header->nlmsg_type == RTM_NEWROUTE ? readRoute(header) : FoundRoute{};
}

int deviceMtu(const char* name) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  return socket && ::ioctl(socket.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

// Routers advertise it (RFC 4861 §4.6.4).
int advertisedMtu(const char* name) {
  const std::string path = std::string("/proc/sys/net/ipv6/conf/") + name + "/mtu";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  int mtu = 0;
  if (std::fscanf(file, "%d", &mtu) != 1) mtu = 0;
  std::fclose(file);
  return mtu;
}

}  // namespace

size_t routeMtu(const OuterPath& path, int mark) {
  FoundRoute found;
  if (!(path.local == Address{})) found = findRoute(path, mark, true);
  // If this host no longer has the source address, the answer is merely less exact.
  if (found.device == 0) found = findRoute(path, mark, false);
  char name[IF_NAMESIZE] = "";
  if (::if_indextoname(static_cast<unsigned>(found.device), name) == nullptr) return 0;
  int mtu = deviceMtu(name);
  for (const int other : {found.mtu, path.family == 6 ? advertisedMtu(name) : 0}) {
    if (other > 0 && (mtu == 0 || other < mtu)) mtu = other;
  }
  return static_cast<size_t>(std::max(mtu, 0));
}

// A connected socket has a route with an MTU.
size_t cachedPathMtu(const OuterPath& path, int mark) {
  const bool six = path.family == 6;
  const Descriptor socket(::socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return 0;
  const int fd = socket.get();
  if (mark != 0) setOption(fd, SOL_SOCKET, SO_MARK, mark);
  SocketAddress local;
  SocketAddress remote;
  local.set(path.family, path.local, 0);
  remote.set(path.family, path.remote, kDiscardPort);
  // If this host no longer has the source address, the answer is merely less exact.
  if (::bind(fd, reinterpret_cast<sockaddr*>(&local), local.length) != 0) errno = 0;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&remote), remote.length) != 0) return 0;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
  const bool known = ::getsockopt(fd, level, six ? IPV6_MTU : IP_MTU, &mtu, &size) == 0;
  return known && mtu > 0 ? static_cast<size_t>(mtu) : 0;
}

}  // namespace sojourn
