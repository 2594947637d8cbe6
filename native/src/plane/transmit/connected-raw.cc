#include "plane/transmit/connected-raw.h"

#include <netinet/in.h>

#include "base/system-error.h"
#include "sockets/raw-socket.h"
#include "sockets/udp-socket.h"

namespace sojourn {
namespace {

// Raw sockets have no port.
sockaddr_in6 address6(const Address& address) { return socketAddress6(address, 0); }
sockaddr_in address4(const Address& address) { return socketAddress(address, 0); }

template <class Socket>
bool attach(int fd, const Socket& local, const Socket& remote) {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0 &&
         ::connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) == 0;
}

}  // namespace

int ConnectedRaw::openIfBusy(const Flow& flow) {
  if (!(flow == candidate_)) {
    candidate_ = flow;
    packetsInRow_ = 0;
  }
  if (++packetsInRow_ < kBusy) return -1;
  // After a failure (the address is still tentative) the next attempt comes as many packets later.
  packetsInRow_ = 0;
  try {
    const int protocol = flow.innerFamily == 6 ? kProtocolIpv6 : kProtocolIpv4;
    Descriptor socket = openRawSocket(flow.far.family, protocol, mark_);
    const bool attached =
        flow.far.family == 6
            ? attach(socket.get(), address6(flow.local), address6(flow.far.remote))
            : attach(socket.get(), address4(flow.local), address4(flow.far.remote));
    if (!attached) return -1;
    Entry& entry = entries_[oldest_];
    oldest_ = (oldest_ + 1) % kEntries;
    entry.flow = flow;
    evicted_ = std::move(entry.socket);
    entry.socket = std::move(socket);
    return entry.socket.get();
  } catch (const SystemError&) {
    return -1;
  }
}

}  // namespace sojourn
