// The packet counter of a sending key.
#pragma once
#include <atomic>

#include "seal/replay-window.h"

namespace sojourn {

// Outlives the SendKeys that use it, so that no counter is used twice under one key.
class SendCounter {
 public:
  // A counter that no other call returns; 0 once the key is used up.
  u64 next() {
    if (last_.load(std::memory_order_relaxed) >= kCounterLimit) return 0;
    return last_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  u64 last() const { return last_.load(std::memory_order_relaxed); }
  // For tests with high counters.
  void skipTo(u64 value) { last_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<u64> last_{0};
};

}  // namespace sojourn
