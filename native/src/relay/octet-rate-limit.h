// The data rate of a relay leg.
#pragma once
#include <algorithm>
#include <atomic>

#include "base/bytes.h"

namespace sojourn {

// A token bucket for any number of threads.
class OctetRateLimit {
 public:
  // The burst is the octets of kBurstMs at the rate, and at least kBurstOctets.
  static constexpr u64 kBurstMs = 100;
  static constexpr u64 kBurstOctets = 256 * 1024;

  // Whether `octets` may be sent now. If not, nothing is taken from the bucket.
  bool take(u64 octets, u32 kilobits, u64 nowMs) {
    if (kilobits == 0) return false;
    // A kilobit a second is a bit a millisecond.
    const u64 rated = std::max(kilobits * kBurstMs, kBurstOctets * 8);
    const u64 burst = std::min(rated, u64{0xffffffff});
    u64 state = state_.load(std::memory_order_relaxed);
    for (;;) {
      const u32 elapsed = static_cast<u32>(nowMs) - static_cast<u32>(state >> 32);
      // Another thread read its clock a little later than this one.
      const bool past = state != 0 && elapsed > 0u - kSkewMs;
      const u64 left = (state & 0xffffffff) + (past ? 0 : u64{elapsed} * kilobits);
      const u64 bits = state == 0 ? burst : std::min(burst, left);
      if (bits < octets * 8) return false;
      const u64 time = past ? state >> 32 : nowMs & 0xffffffff;
      const u64 next = time << 32 | (bits - octets * 8);
      if (state_.compare_exchange_weak(state, next, std::memory_order_relaxed)) return true;
    }
  }

 private:
  static constexpr u32 kSkewMs = 10'000;

  // Upper half: a time in milliseconds. Lower half: the bits left at that time. 0: full. The time
  // wraps after seven weeks; at worst a bucket unused for that long is emptier than it should be.
  std::atomic<u64> state_{0};
};

}  // namespace sojourn
