// The sequence numbers that an association may send with.
#pragma once
#include <atomic>

#include "base/bytes.h"

namespace sojourn {

// A lease: JavaScript's thread has recorded that the numbers up to its end may be used, so that no
// later run of the daemon uses them. Outlives the keys that use it.
class EspCounter {
 public:
  // --- writer ---
  // Extends the lease up to `until`. No number below `from` is used from here on.
  void lease(u64 from, u64 until) {
    u64 before = last_.load(std::memory_order_relaxed);
    while (before + 1 < from &&
           !last_.compare_exchange_weak(before, from - 1, std::memory_order_relaxed)) {
    }
    if (until > until_.load(std::memory_order_relaxed)) {
      until_.store(until, std::memory_order_relaxed);
    }
  }

  // --- packet threads ---
  // A number that no other call returns; 0 once the lease has ended.
  u64 next() {
    if (last_.load(std::memory_order_relaxed) >= until_.load(std::memory_order_relaxed)) return 0;
    const u64 value = last_.fetch_add(1, std::memory_order_relaxed) + 1;
    return value <= until_.load(std::memory_order_relaxed) ? value : 0;
  }
  u64 last() const { return last_.load(std::memory_order_relaxed); }

 private:
  std::atomic<u64> last_{0};
  std::atomic<u64> until_{0};
};

}  // namespace sojourn
