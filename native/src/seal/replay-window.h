// Anti-replay window over the 64-bit packet counters of one key (RFC 4303 §3.4.3, RFC 6479).
#pragma once
#include <atomic>
#include <mutex>

#include "base/bytes.h"
#include "base/lazy.h"

namespace sojourn {

constexpr u64 kReplayWindow = 2048;

// The last counter of a key: far below the limits of either AEAD, and no counter ever wraps.
constexpr u64 kCounterLimit = u64{1} << 60;

// RFC 4303 appendix A2: the 64-bit counter with the low half `low` that is nearest to a window of
// kReplayWindow counters that ends at `top`.
inline u64 recoverCounter(u64 top, u32 low) {
  const u32 topLow = static_cast<u32>(top);
  const u64 topHigh = top >> 32;
  const u32 bottom = topLow - static_cast<u32>(kReplayWindow - 1);
  const bool oneSubspace = topLow >= kReplayWindow - 1;
  const u64 high = oneSubspace ? (low >= bottom ? topHigh : topHigh + 1)
                               : (low >= bottom ? topHigh - 1 : topHigh);
  return high << 32 | low;
}

// The counters of a key that were received. Any number of threads.
class ReplayWindow {
 public:
  // The highest counter that was accepted.
  u64 top() const { return top_.load(std::memory_order_relaxed); }
  // False if accept() would certainly return false; true is only a hint.
  bool mayAccept(u64 counter) const {
    const u64 top = top_.load(std::memory_order_relaxed);
    if (isOutside(counter, top)) return false;
    const Bits* bits = bits_.peek();
    if (counter > top || bits == nullptr) return true;
    const u64 word = bits->words[counter / 64 % kWords].load(std::memory_order_relaxed);
    return (word >> (counter % 64) & 1) == 0;
  }
  // Refuses every counter up to `counter`, unless one behind it was accepted already.
  void startAfter(u64 counter);
  // To be called once the tag verified: true for exactly one of several calls with one counter.
  bool accept(u64 counter);

 private:
  // One word more than the window needs, so that words are cleared whole (RFC 6479 §3).
  static constexpr u64 kWords = kReplayWindow / 64 + 1;

  static bool isOutside(u64 counter, u64 top) {
    const bool behind = counter <= top && top - counter >= kReplayWindow;
    return counter == 0 || counter > kCounterLimit || behind;
  }

  // Of a key that has received something.
  struct Bits {
    std::mutex mutex;
    std::atomic<u64> words[kWords] = {};
  };
  void advance(Bits& bits, u64 counter, u64 top);

  std::atomic<u64> top_{0};
  Lazy<Bits> bits_;
};

}  // namespace sojourn
