// The UDP sockets of RFC 5555 tunnels and what the kernel tells through them.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include "bytes.h"
#include "descriptor.h"
#include "tables.h"

namespace sojourn {

struct UdpFeatures {
  bool segmentation = false;
  bool receiveOffload = false;
};

// Bound to the IPv4 wildcard address; `count` sockets share the port, and nobody else has it. Throws SystemError.
std::vector<Descriptor> openUdpSockets(u16 port, size_t count, int mark, UdpFeatures& features);

sockaddr_in socketAddress(const Address& address, u16 port);

// Control messages of one datagram; room for all that is sent or asked for.
struct ControlBuffer {
  alignas(cmsghdr) u8 bytes[192];
};

struct UdpSendOptions {
  const Address* source = nullptr;  // null or unspecified: the kernel chooses
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
