// The UDP sockets of RFC 5555 and of sealed tunnels, and their control messages.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace sojourn {

struct UdpFeatures {
  bool segmentation = false;
  bool receiveOffload = false;
};

// Bound to the wildcard address of one family. The `count` sockets share the port with no other
// process. Throws SystemError.
std::vector<Descriptor> openUdpSockets(int family, u16 port, size_t count, int mark,
                                       UdpFeatures& features);

// A port that no socket has at the moment. Throws SystemError.
u16 freeUdpPort(int family);

sockaddr_in socketAddress(const Address& address, u16 port);
sockaddr_in6 socketAddress6(const Address& address, u16 port);

// A socket address of either family.
struct SocketAddress {
  union {
    sockaddr_in four;
    sockaddr_in6 six;
  };
  socklen_t length;

  void set(int family, const Address& address, u16 port);
  Address address(int family) const;
  u16 port(int family) const { return ntohs(family == 6 ? six.sin6_port : four.sin_port); }
};

// Control messages of one datagram, with room for all that are sent or requested.
struct ControlBuffer {
  alignas(cmsghdr) u8 bytes[192];
};

struct UdpSendOptions {
  const Address* source = nullptr;  // null or unspecified: the kernel chooses
  int family = 4;
  u8 trafficClass = 0;
  u16 segmentSize = 0;  // 0: no UDP_SEGMENT
};
void writeControl(msghdr& message, ControlBuffer& buffer, const UdpSendOptions& options);

struct UdpReceived {
  Address local;
  u8 trafficClass = 0;
  u32 segmentSize = 0;  // 0: the datagram is one
};
UdpReceived readControl(msghdr& message);

}  // namespace sojourn
