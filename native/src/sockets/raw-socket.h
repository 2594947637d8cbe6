// Sockets of the raw path: complete IP packets out (the kernel routes them), a tap of what arrives,
// and frames of one link.
//
// AF_PACKET sees a packet before the kernel's own IPv6 input, which on kernels without MIP6 answers
// a Home Address option with Parameter Problem before any raw socket sees it; that answer is
// prevented by the packet filter of the host.
#pragma once
#include <sys/socket.h>

#include <string>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace sojourn {

// Complete packets with headers of ours. `protocol` 41 or 4 also gets the ICMP errors about such
// packets (raw6_icmp_error and raw_icmp_error look for sockets of the quoted protocol); everything
// else that it would receive is filtered away.
Descriptor openRawSocket(int family, int protocol, int mark);

// Protocols 41, 4 and 135, IPv6 extension headers (the packet threads look further), and IPv4 41
// and 4; incoming, to this host's link address, not from the device `exceptIndex`.
Descriptor openTap(int exceptIndex);

// Neighbour Solicitations and Advertisements and ARP of one device. Throws SystemError.
Descriptor openLinkTap(const std::string& device);

// Sends one complete IPv6 or IPv4 packet by its own destination; the kernel's route for its source.
// 0 or errno.
int sendRawPacket(int fd, int family, const u8* packet, size_t length);

}  // namespace sojourn
