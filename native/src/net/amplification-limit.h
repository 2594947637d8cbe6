// Anti-amplification limit (RFC 9000 §8.1): the plane sends to an unvalidated peer address at most
// three times the octets received from it, plus a credit (docs/reference/ntmobile.md §9, §10).
#pragma once
#include <atomic>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/epoch.h"

namespace sojourn {

struct Endpoint;

// The validation state of a peer's address, as a tunnel or leg is set with it.
struct PeerValidation {
  // The peer has shown that it receives at this address: no limit and no counting.
  bool validated = true;
  // Tunnels and legs of one group (of one node) at one endpoint share a limit.
  u32 group = 0;
  // Octets that may be sent in addition to three times the received ones.
  u64 creditOctets = 0;
};

// Octets behind the UDP header that came from an unvalidated peer address and that were sent to it.
class AmplificationLimit {
 public:
  static constexpr u64 kFactor = 3;

  void received(u64 octets) { received_.fetch_add(octets, std::memory_order_relaxed); }
  // Counts `octets` as sent if they may be sent.
  bool trySend(u64 octets) {
    u64 sent = sent_.load(std::memory_order_relaxed);
    while (sent + octets <= allowed()) {
      if (sent_.compare_exchange_weak(sent, sent + octets, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  static void release(AmplificationLimit* limit) { delete limit; }

 private:
  friend class AmplificationLimits;

  u64 allowed() const {
    const u64 received = received_.load(std::memory_order_relaxed);
    return credit_.load(std::memory_order_relaxed) + kFactor * received;
  }

  std::atomic<u64> credit_{0};
  std::atomic<u64> received_{0};
  std::atomic<u64> sent_{0};
  // For writers.
  std::pair<const Endpoint*, u32> key_;
  u32 references_ = 0;
};

// For writers, who hold the tables' lock. Readers get the limit from a tunnel or leg.
class AmplificationLimits {
 public:
  ~AmplificationLimits();

  // Null for a validated address. Each limit that was acquired is released once.
  AmplificationLimit* acquire(const Endpoint* endpoint, const PeerValidation& peer);
  // Call after readers can no longer find the tunnel or leg that had it. Null is ignored.
  void release(AmplificationLimit* limit, EpochDomain& domain);
  size_t size() const { return limits_.size(); }

 private:
  std::map<std::pair<const Endpoint*, u32>, AmplificationLimit*> limits_;
};

}  // namespace sojourn
