#include "plane/transmit/connected-raw.h"

#include <netinet/in.h>

#include "base/system-error.h"
#include "sockets/raw-socket.h"
#include "sockets/udp-socket.h"

namespace sojourn {
namespace {

sockaddr_in6 address6(const Address& address) {
  sockaddr_in6 result{};
  result.sin6_family = AF_INET6;
  std::memcpy(&result.sin6_addr, address.bytes, 16);
  return result;
}

template <class Socket>
bool attach(int fd, const Socket& local, const Socket& remote) {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0 &&
         ::connect(fd, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) == 0;
}

}  // namespace

int ConnectedRaw::warm(const Way& way) {
  if (!(way == warming_)) {
    warming_ = way;
    heat_ = 0;
  }
  if (++heat_ < kBusy) return -1;
  // A failure (an address that is still tentative) is tried again after as many packets.
  heat_ = 0;
  try {
    Descriptor socket =
        openRawSocket(way.to.family, way.innerFamily == 6 ? kProtocolIpv6 : kProtocolIpv4, mark_);
    // Path MTU reports are read from the sockets that all tunnels share; nobody would empty this
    // queue.
    enable(socket.get(), IPPROTO_IP, IP_RECVERR, 0);
    enable(socket.get(), IPPROTO_IPV6, IPV6_RECVERR, 0);
    const bool attached =
        way.to.family == 6
            ? attach(socket.get(), address6(way.local), address6(way.to.remote))
            : attach(socket.get(), socketAddress(way.local, 0), socketAddress(way.to.remote, 0));
    if (!attached) return -1;
    Entry& entry = entries_[oldest_];
    oldest_ = (oldest_ + 1) % kEntries;
    entry.way = way;
    evicted_ = std::move(entry.socket);
    entry.socket = std::move(socket);
    return entry.socket.get();
  } catch (const SystemError&) {
    return -1;
  }
}

}  // namespace sojourn
