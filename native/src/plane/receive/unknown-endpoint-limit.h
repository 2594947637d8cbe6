// Bounds the notices about packets from endpoints without a tunnel. JavaScript answers each notice
// with one packet, so this is also the anti-amplification limit of those answers.
#pragma once
#include "base/bytes.h"
#include "tables/endpoint.h"

namespace sojourn {

// Token buckets for an endpoint, for its host (IPv4 /32, IPv6 /64), for its network (IPv4 /24,
// IPv6 /48) and for all. The buckets are found by a seeded hash and have no key: two sources that
// share a bucket get fewer notices, and no source can choose with whom it shares. Each packet
// thread has its own limit, which takes no lock.
class UnknownEndpointLimit {
 public:
  // `threads`: that share the limit for all sources.
  explicit UnknownEndpointLimit(unsigned threads) : all_{kAllPerSecond / threads, kAllPerSecond} {}

  // Whether to report a packet of `length` octets behind the outer headers. `answer`: the octets of
  // the answer there. An endpoint gets no more octets than it sent.
  bool allow(const Endpoint::Key& from, size_t length, size_t answer, u64 nowMs);

 private:
  static constexpr size_t kBuckets = 2048;
  static constexpr u32 kAllPerSecond = 1000;

  struct Rate {
    u32 perSecond;
    u32 burst;
  };
  struct Bucket {
    u64 filledAtMs = 0;
    // In thousandths; no time has passed since the start, so that a new bucket is full.
    u32 used = 0;
    // That came from the endpoint since its last notice, as far as they matter.
    u32 octets = 0;
  };
  static constexpr Rate kEndpoint{1, 2};
  static constexpr Rate kHost{8, 16};
  static constexpr Rate kNetwork{16, 32};

  static void refill(Bucket& bucket, const Rate& rate, u64 nowMs);
  static bool hasToken(const Bucket& bucket, const Rate& rate) {
    return bucket.used + 1000 <= rate.burst * 1000;
  }

  const Rate all_;
  Bucket total_;
  Bucket endpoints_[kBuckets];
  Bucket hosts_[kBuckets];
  Bucket networks_[kBuckets];
};

}  // namespace sojourn
