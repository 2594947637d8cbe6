// Error queues (IP_RECVERR, IPV6_RECVERR): ICMP errors about packets that a socket sent, or that
// anybody says it sent: the kernel checks the addresses and ports in the quoted packet.
#pragma once
#include <functional>

#include "base/bytes.h"

namespace sojourn {

struct ErrorReport {
  u8 family;
  // The destination of the packet.
  Address remote;
  u16 port;  // 0 from sockets without ports
  // The path MTU as the error says it; 0: the error is about something else.
  u16 mtu;
  // A router or the far end reports that the packet cannot be delivered (RFC 2473 §8.1, RFC 2003
  // §4).
  bool unreachable;
  // The quoted part of the packet: from the IP header on for raw sockets with IP_HDRINCL, and from
  // behind the UDP header for UDP sockets.
  u8* quoted;
  size_t quotedLength;
};

// Empties the error queue of `fd`. The pointers in a report are valid until `report` returns.
void drainErrors(int fd, const std::function<void(const ErrorReport&)>& report);

}  // namespace sojourn
