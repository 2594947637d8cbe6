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
  // Forgets a value that is older than RFC 8201 §4 lets it be.
  static void age(Endpoint& endpoint, u64 nowMs) {
    if (nowMs / 1000 - endpoint.pathMtuAt.load(std::memory_order_relaxed) > kLifetimeSeconds) endpoint.pathMtu.store(0);
  }

 private:
  static constexpr u32 kLifetimeSeconds = 600;
  // The kernel's own net.ipv4.route.min_pmtu: smaller values come from attackers.
  static constexpr u16 kLeast4 = 552;

  void learn(const PathMtuReport& report, Encapsulation encapsulation);

  Shared& shared_;
  Counters& counters_;
};

}  // namespace sojourn
