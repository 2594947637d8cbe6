// Places where nobody showed yet that a node is: what goes there is bounded by what came from there
// (docs/ntmobile.md §9, §10).
#pragma once
#include <atomic>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/epoch.h"

namespace sojourn {

struct Endpoint;

// What a leg or tunnel says of its far end.
struct PlaceSpec {
  // Somebody showed that the node is there: nothing is bounded, nothing counted.
  bool validated = true;
  // What is at one far end under one number counts together: the legs and the tunnel of one node.
  u32 account = 0;
  // Octets that may go there beside those for what comes.
  u64 creditOctets = 0;
};

// What came from a place and what went there, octets behind the UDP header.
class PlaceAccount {
 public:
  // How many times what came from there may go there.
  static constexpr u64 kAmplification = 3;

  void came(u64 octets) { received_.fetch_add(octets, std::memory_order_relaxed); }
  // Counts them as gone when they may go.
  bool take(u64 octets) {
    u64 sent = sent_.load(std::memory_order_relaxed);
    while (sent + octets <= bound()) {
      if (sent_.compare_exchange_weak(sent, sent + octets, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  static void release(PlaceAccount* account) { delete account; }

 private:
  friend class PlaceAccounts;

  u64 bound() const {
    return credit_.load(std::memory_order_relaxed) +
           kAmplification * received_.load(std::memory_order_relaxed);
  }

  std::atomic<u64> credit_{0};
  std::atomic<u64> received_{0};
  std::atomic<u64> sent_{0};
  // Writers'.
  std::pair<const Endpoint*, u32> key_;
  u32 references_ = 0;
};

// For writers, who hold the tables' lock; readers have the account of a leg or tunnel from that.
class PlaceAccounts {
 public:
  ~PlaceAccounts();

  // Null for a place that needs none. Each one that was acquired is released.
  PlaceAccount* acquire(const Endpoint* endpoint, const PlaceSpec& spec);
  // After what has it can no longer be found. Null is fine.
  void release(PlaceAccount* account, EpochDomain& domain);
  size_t size() const { return accounts_.size(); }

 private:
  std::map<std::pair<const Endpoint*, u32>, PlaceAccount*> accounts_;
};

}  // namespace sojourn
