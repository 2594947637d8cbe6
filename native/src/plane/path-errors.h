// Reports of error queues about the path to an endpoint. The endpoint keeps the path MTU (RFC 1191,
// RFC 8201) for ten minutes. The source of the inner packet gets an error if the endpoint is
// unreachable (RFC 2473 §8).
#pragma once
#include "plane/error-sender.h"
#include "plane/shared.h"
#include "sockets/error-queue.h"

namespace sojourn {

class PathErrors {
 public:
  PathErrors(Shared& shared, Counters& counters, ErrorSender& sender)
      : shared_(shared), counters_(counters), sender_(sender) {}

  // Empties the error queue of `fd`, through which packets of this carrier and protection are sent.
  // The caller is online in the tables' domain.
  void learnFrom(int fd, Carrier carrier, Protection protection);
  // Asks the kernel for the path MTU after it refused a packet as too large. The refusal does not
  // tell the MTU: ip_local_error reports port 0 on unconnected sockets, and nothing for
  // UDP_SEGMENT.
  void probe(const Tunnel& tunnel);
  // The path MTU to `endpoint`; 0: unknown.
  static size_t pathMtu(Endpoint& endpoint, u64 nowMs) {
    if (endpoint.limits.learnt() != 0) expire(endpoint, nowMs);
    return endpoint.limits.learnt();
  }
  // Discards a path MTU that is older than RFC 8201 §4 allows.
  static void expire(Endpoint& endpoint, u64 nowMs) {
    if (!endpoint.learntUntil.isPending(nowMs)) endpoint.limits.setLearnt(0);
  }

 private:
  static constexpr u64 kLifetimeMs = 600'000;
  // The kernel's default of net.ipv4.route.min_pmtu: smaller values are attacks.
  static constexpr u16 kMinimumMtu4 = 552;

  void handle(const ErrorReport& report, Carrier carrier, Protection protection);
  void relay(const ErrorReport& report, const Endpoint& endpoint);
  void lower(Endpoint& endpoint, u16 reported);

  Shared& shared_;
  Counters& counters_;
  ErrorSender& sender_;
};

}  // namespace sojourn
