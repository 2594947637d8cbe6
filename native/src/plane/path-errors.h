// What error queues say about the path to an endpoint: its MTU (RFC 1191, RFC 8201) is kept with
// the endpoint for ten minutes; that packets do not get there is told to who sent what was in them
// (RFC 2473 §8).
#pragma once
#include "plane/error-sender.h"
#include "plane/plane-parts.h"
#include "sockets/error-queue.h"

namespace sojourn {

class PathErrors {
 public:
  PathErrors(Shared& shared, Counters& counters, ErrorSender& sender)
      : shared_(shared), counters_(counters), sender_(sender) {}

  // Empties the error queue of `fd`. The caller is online in the tables' domain.
  void learnFrom(int fd, Encapsulation encapsulation);
  // Asks the kernel how large packets to the tunnel's far end may be, after it refused one. Its own
  // answer to that is of no use: ip_local_error gives port 0 on sockets that are not connected, and
  // a refused UDP_SEGMENT gives none.
  void probe(const Tunnel& tunnel);
  // What is known of the path to `endpoint`; 0: nothing.
  static size_t pathMtu(Endpoint& endpoint, u64 nowMs) {
    if (endpoint.pathMtu.load(std::memory_order_relaxed) != 0) age(endpoint, nowMs);
    return endpoint.pathMtu.load(std::memory_order_relaxed);
  }
  // Forgets a value that is older than RFC 8201 §4 lets it be.
  static void age(Endpoint& endpoint, u64 nowMs) {
    if (nowMs / 1000 - endpoint.pathMtuAt.load(std::memory_order_relaxed) > kLifetimeSeconds) {
      endpoint.pathMtu.store(0);
    }
  }

 private:
  static constexpr u32 kLifetimeSeconds = 600;
  // The kernel's own net.ipv4.route.min_pmtu: smaller values come from attackers.
  static constexpr u16 kLeast4 = 552;

  void take(const ErrorReport& report, Encapsulation encapsulation);
  void relay(const ErrorReport& report, const Endpoint& endpoint);
  void lower(Endpoint& endpoint, u16 mtu);

  Shared& shared_;
  Counters& counters_;
  ErrorSender& sender_;
};

}  // namespace sojourn
