// What error queues say about the path to an endpoint (RFC 1191, RFC 8201), kept with the endpoint for ten minutes.
#pragma once
#include "plane-parts.h"
#include "udp-socket.h"

namespace sojourn {

class PathMtu {
 public:
  PathMtu(Shared& shared, Counters& counters) : shared_(shared), counters_(counters) {}

  // Empties the error queue of `fd`. The caller is online in the tables' domain.
  void learnFrom(int fd, Encapsulation encapsulation);
  // Asks the kernel how large packets to the tunnel's far end may be, after it refused one. Its own answer to that is of no use:
  // ip_local_error gives port 0 on sockets that are not connected, and a refused UDP_SEGMENT gives none.
  void probe(const Tunnel& tunnel);
  // Forgets a value that is older than RFC 8201 §4 lets it be.
  static void age(Endpoint& endpoint, u64 nowMs) {
    if (nowMs / 1000 - endpoint.pathMtuAt.load(std::memory_order_relaxed) > kLifetimeSeconds) endpoint.pathMtu.store(0);
  }

 private:
  static constexpr u32 kLifetimeSeconds = 600;
  // The kernel's own net.ipv4.route.min_pmtu: smaller values come from attackers.
  static constexpr u16 kLeast4 = 552;

  void learn(const PathMtuReport& report, Encapsulation encapsulation);
  void lower(Endpoint& endpoint, u16 mtu);

  Shared& shared_;
  Counters& counters_;
};

}  // namespace sojourn
