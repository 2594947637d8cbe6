// Reports of error queues about the path to an endpoint. The endpoint keeps the path MTU (RFC 1191,
// RFC 8201) for ten minutes. The source of the inner packet gets an error if the endpoint is
// unreachable (RFC 2473 §8).
//
// Anybody can send an ICMP error. Packet Too Big counts only if it says a size that the path may
// have, and quotes a probe or a sealed datagram that was sent lately (plane/sent-record.h): only
// hosts on the path know their octets. About data in a plain tunnel, it makes the next probe due: a
// router returns that as well, whether or not the far end answers probes.
//
// What counts holds at once. A search beyond that size begins with the next large packet, and a
// larger probe that passes refutes it (path-mtu/path-prober.h).
#pragma once
#include "plane/error-sender.h"
#include "plane/shared.h"
#include "sockets/error-queue.h"

namespace sojourn {

class PathErrors {
 public:
  PathErrors(Shared& shared, Counters& counters, ErrorSender& sender)
      : shared_(shared), counters_(counters), sender_(sender) {}

  // Empties the error queue of `fd`, through which packets of this carrier and protection are sent;
  // one algorithm of ESP stands for all.
  // The caller is online in the tables' domain.
  void learnFrom(int fd, Carrier carrier, Protection protection);
  // An ICMPv6 error about a packet on an optimized path; `offset` is that of its ICMPv6 header. The
  // source of the packet gets the error as if its own packet had caused it (RFC 6275 §9.3.4,
  // §11.3.5). True if a packet that was sent lately did not reach the far end.
  bool learnFromOptimized(const PacketView& error, u32 offset);
  // Asks the kernel for the MTU of the route, which limits the path. Returns it; 0: unknown.
  size_t askRoute(const Tunnel& tunnel);
  // The kernel refused a packet as too large. That does not tell the MTU: ip_local_error reports
  // port 0 on unconnected sockets, and nothing for UDP_SEGMENT.
  void refused(const Tunnel& tunnel);
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

  void handle(const ErrorReport& report, Carrier carrier, Protection protection);
  Endpoint* find(Endpoint::Key& farEnd) const;
  void tooBig(Endpoint& endpoint, u16 reported, const SentRecord::Sent& sent);
  void relayOptimized(const PacketView& error, u32 offset, const Endpoint& endpoint);
  void hint(Endpoint& endpoint);
  void relay(const ErrorReport& report, const Endpoint& endpoint, size_t outer);
  void lower(Endpoint& endpoint, size_t mtu, bool fromError);

  Shared& shared_;
  Counters& counters_;
  ErrorSender& sender_;
};

}  // namespace sojourn
