// Sockets of the raw path: complete IP packets out (the kernel routes them), a tap of incoming
// packets, and frames of one link.
//
// AF_PACKET sees a packet before the kernel's own IPv6 input. Kernels without MIP6 answer a Home
// Address option there with Parameter Problem, before a raw socket would see it; the host's packet
// filter prevents that answer.
#pragma once
#include <sys/socket.h>

#include <string>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace sojourn {

// Sends complete packets with their own headers. Receives nothing, and no ICMP error is left at it
// that would cost a packet.
Descriptor openRawSocket(int family, int protocol, int mark);

// Gets the ICMP errors about packets of `protocol` 41 or 4 in its error queue (raw6_icmp_error and
// raw_icmp_error look for sockets of the quoted protocol), and nothing else.
Descriptor openErrorSocket(int family, int protocol);

// Incoming packets to this host's link address, not from the device `exceptIndex`: IPv6 with
// protocol 41, 4 or 135 or an extension header (packet threads look further), and IPv4 with
// protocol 41 or 4; and what the choice adds.
struct TapChoice {
  // IPv6 with protocol 50.
  bool esp = false;
  // All ICMPv6 errors; otherwise Parameter Problem alone.
  bool errors = false;
};
Descriptor openTap(int exceptIndex, const TapChoice& choice);

// Gives a tap that is in use another choice.
void filterTap(int tap, int exceptIndex, const TapChoice& choice);

// Neighbour Solicitations, Neighbour Advertisements and ARP of one device. Throws SystemError.
Descriptor openLinkTap(const std::string& device);

// Incoming Router and Neighbour Advertisements of every device but `exceptIndex`, without the link
// header. They are addressed to this host or to all nodes.
Descriptor openDiscoveryTap(int exceptIndex);

// Sends a complete packet to its own destination, by the kernel's route for its source. Returns 0
// or errno.
int sendRawPacket(int fd, int family, const u8* packet, size_t length);

}  // namespace sojourn
