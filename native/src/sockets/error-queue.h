// What the kernel tells through error queues about packets that a socket sent: IP_RECVERR and
// IPV6_RECVERR.
#pragma once
#include <functional>

#include "base/bytes.h"

namespace sojourn {

struct ErrorReport {
  u8 family;
  // Where the packet was to go.
  Address remote;
  u16 port;  // 0 from sockets without ports
  // How large packets to there may be; 0: the report is about something else.
  u16 mtu;
  // A router or the far end says that the packet cannot get there (RFC 2473 §8.1, RFC 2003 §4).
  bool unreachable;
  // What of the packet was quoted: from the IP header of a raw socket with IP_HDRINCL, behind the
  // UDP header of others.
  u8* quoted;
  size_t quotedLength;
};

// Empties the error queue of `fd`. What `report` is given is gone when it returns.
void drainErrors(int fd, const std::function<void(const ErrorReport&)>& report);

}  // namespace sojourn
