// A deadline in two octets, for state that a million far ends have.
#pragma once
#include <atomic>

#include "base/bytes.h"

namespace sojourn {

// Counts units of 1.024 seconds, modulo 65536. A deadline that passed and was not cleared is taken
// for pending again after 18 hours, for `kLongestMs` at most.
template <u64 kLongestMs>
class ShortDeadline {
 public:
  bool isSet() const { return at_.load(std::memory_order_relaxed) != 0; }
  // Set, and not passed.
  bool isPending(u64 nowMs) const {
    const u16 at = at_.load(std::memory_order_relaxed);
    const auto ahead = static_cast<u16>(at - unitsOf(nowMs));
    return at != 0 && ahead != 0 && ahead <= kLongest;
  }
  void set(u64 nowMs, u64 waitMs) {
    const auto at = static_cast<u16>(unitsOf(nowMs + waitMs) + 1);
    at_.store(at == 0 ? 1 : at, std::memory_order_relaxed);
  }
  void clear() { at_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr u64 unitsOf(u64 milliseconds) { return milliseconds >> 10; }
  // Rounded up on both sides; and the value 0 is passed over.
  static constexpr u64 kLongest = unitsOf(kLongestMs) + 3;
  static_assert(kLongest < 32768);

  std::atomic<u16> at_{0};
};

}  // namespace sojourn
