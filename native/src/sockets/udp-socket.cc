#include "sockets/udp-socket.h"

#include <netinet/udp.h>

#include "base/system-error.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

namespace sojourn {
namespace {

constexpr int kBufferOctets = 8 << 20;

template <class T>
void append(msghdr& message, ControlBuffer& buffer, int level, int type, const T& value) {
  auto* header = reinterpret_cast<cmsghdr*>(buffer.bytes + message.msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
}

template <class T>
T valueOf(const cmsghdr* header) {
  T value;
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

Descriptor newUdpSocket(int family) {
  Descriptor udp(::socket(family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!udp) throwSystemError("UDP socket");
  if (family == 6) setOption(udp.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  return udp;
}

void bindWildcard(int family, int fd, u16 port) {
  SocketAddress address;
  address.set(family, Address{}, port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), address.length) == 0) return;
  throwSystemError("UDP port " + std::to_string(port),
                   errno == EADDRINUSE ? "another program has this port" : "");
}

// PMTUDISC_PROBE: with DF, and whatever the kernel's cache of path MTUs says, which forged ICMP
// errors write (plane/path-errors.h).
void setOptions(int family, int fd) {
  if (family == 6) {
    setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    setOption(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
    setOption(fd, IPPROTO_IPV6, IPV6_RECVERR);
    setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64);
    return;
  }
  setOption(fd, IPPROTO_IP, IP_PKTINFO);
  setOption(fd, IPPROTO_IP, IP_RECVTOS);
  setOption(fd, IPPROTO_IP, IP_RECVERR);
  setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  setOption(fd, IPPROTO_IP, IP_TTL, 64);
}

Descriptor openUdpSocket(int family, u16 port, bool several, int mark, UdpFeatures& features) {
  Descriptor udp = newUdpSocket(family);
  const int fd = udp.get();
  if (several) setOption(fd, SOL_SOCKET, SO_REUSEPORT);
  if (mark != 0 && !setOption(fd, SOL_SOCKET, SO_MARK, mark)) throwSystemError("SO_MARK");
  setOptions(family, fd);
  requestBuffers(fd, kBufferOctets);
  features.receiveOffload = setOption(fd, IPPROTO_UDP, UDP_GRO);
  int value = 0;
  socklen_t length = sizeof value;
  features.segmentation = ::getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &length) == 0;
  bindWildcard(family, fd, port);
  return udp;
}

}  // namespace

std::vector<Descriptor> openUdpSockets(int family, u16 port, size_t count, int mark,
                                       UdpFeatures& features) {
  // With SO_REUSEPORT a second daemon could bind the port and would get half of the packets. A
  // socket without it detects that the port is taken.
  if (count > 1) {
    const Descriptor alone = newUdpSocket(family);
    bindWildcard(family, alone.get(), port);
  }
  std::vector<Descriptor> sockets;
  for (size_t index = 0; index < count; index++) {
    sockets.push_back(openUdpSocket(family, port, count > 1, mark, features));
  }
  return sockets;
}

u16 freeUdpPort(int family) {
  const Descriptor udp = newUdpSocket(family);
  bindWildcard(family, udp.get(), 0);
  SocketAddress address;
  address.length = sizeof address.six;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(udp.get(), name, &address.length) != 0) throwSystemError("UDP port");
  return address.port(family);
}

sockaddr_in socketAddress(const Address& address, u16 port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  std::memcpy(&result.sin_addr, address.bytes, 4);
  return result;
}

sockaddr_in6 socketAddress6(const Address& address, u16 port) {
  sockaddr_in6 result{};
  result.sin6_family = AF_INET6;
  result.sin6_port = htons(port);
  std::memcpy(&result.sin6_addr, address.bytes, 16);
  return result;
}

void SocketAddress::set(int family, const Address& address, u16 port) {
  if (family == 6) {
    six = socketAddress6(address, port);
    length = sizeof six;
  } else {
    four = socketAddress(address, port);
    length = sizeof four;
  }
}

Address SocketAddress::address(int family) const {
  return Address::of(
      family, family == 6 ? six.sin6_addr.s6_addr : reinterpret_cast<const u8*>(&four.sin_addr));
}

void writeControl(msghdr& message, ControlBuffer& buffer, const UdpSendOptions& options) {
  message.msg_control = buffer.bytes;
  message.msg_controllen = 0;
  const bool six = options.family == 6;
  if (options.source != nullptr && !(*options.source == Address{}) && six) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, options.source->bytes, 16);
    append(message, buffer, IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else if (options.source != nullptr && !(*options.source == Address{})) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, options.source->bytes, 4);
    append(message, buffer, IPPROTO_IP, IP_PKTINFO, info);
  }
  const int trafficClass = options.trafficClass;
  if (trafficClass != 0) {
    append(message, buffer, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS,
           trafficClass);
  }
  if (options.segmentSize != 0) {
    append(message, buffer, IPPROTO_UDP, UDP_SEGMENT, options.segmentSize);
  }
  if (message.msg_controllen == 0) message.msg_control = nullptr;
}

UdpReceived readControl(msghdr& message) {
  UdpReceived received;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
      received.segmentSize = static_cast<u32>(valueOf<int>(header));
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS) {
      received.trafficClass = *CMSG_DATA(header);
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      const auto info = valueOf<in_pktinfo>(header);
      received.local = Address::of(4, reinterpret_cast<const u8*>(&info.ipi_addr));
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_TCLASS) {
      received.trafficClass = static_cast<u8>(valueOf<int>(header));
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      const auto info = valueOf<in6_pktinfo>(header);
      received.local = Address::of(6, info.ipi6_addr.s6_addr);
    }
  }
  return received;
}

}  // namespace sojourn
