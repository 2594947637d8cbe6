#include "seal/replay-window.h"

namespace sojourn {
namespace {

bool isOutside(u64 counter, u64 top) {
  const bool behind = counter <= top && top - counter >= kReplayWindow;
  return counter == 0 || counter > kCounterLimit || behind;
}

}  // namespace

u64 recoverCounter(u64 top, u32 low) {
  const u32 topLow = static_cast<u32>(top);
  const u64 topHigh = top >> 32;
  const u32 bottom = topLow - static_cast<u32>(kReplayWindow - 1);
  const bool oneSubspace = topLow >= kReplayWindow - 1;
  const u64 high = oneSubspace ? (low >= bottom ? topHigh : topHigh + 1)
                               : (low >= bottom ? topHigh - 1 : topHigh);
  return high << 32 | low;
}

bool ReplayWindow::mayAccept(u64 counter) const {
  const u64 top = top_.load(std::memory_order_relaxed);
  if (isOutside(counter, top)) return false;
  if (counter > top) return true;
  const u64 word = words_[counter / 64 % kWords].load(std::memory_order_relaxed);
  return (word >> (counter % 64) & 1) == 0;
}

bool ReplayWindow::accept(u64 counter) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const u64 top = top_.load(std::memory_order_relaxed);
  if (isOutside(counter, top)) return false;
  if (counter > top) advance(counter, top);
  std::atomic<u64>& word = words_[counter / 64 % kWords];
  const u64 bit = u64{1} << (counter % 64);
  const u64 before = word.load(std::memory_order_relaxed);
  word.store(before | bit, std::memory_order_relaxed);
  return (before & bit) == 0;
}

void ReplayWindow::advance(u64 counter, u64 top) {
  const u64 ahead = counter / 64 - top / 64;
  for (u64 step = 1; step <= ahead && step <= kWords; step++) {
    words_[(top / 64 + step) % kWords].store(0, std::memory_order_relaxed);
  }
  top_.store(counter, std::memory_order_relaxed);
}

}  // namespace sojourn
