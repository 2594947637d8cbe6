#include "seal/replay-window.h"

namespace sojourn {

bool ReplayWindow::accept(u64 counter) {
  Bits& bits = bits_.get();
  const std::lock_guard<std::mutex> guard(bits.mutex);
  const u64 top = top_.load(std::memory_order_relaxed);
  if (isOutside(counter, top)) return false;
  if (counter > top) advance(bits, counter, top);
  std::atomic<u64>& word = bits.words[counter / 64 % kWords];
  const u64 bit = u64{1} << (counter % 64);
  const u64 before = word.load(std::memory_order_relaxed);
  word.store(before | bit, std::memory_order_relaxed);
  return (before & bit) == 0;
}

void ReplayWindow::startAfter(u64 counter) {
  if (counter <= top_.load(std::memory_order_relaxed)) return;
  Bits& bits = bits_.get();
  const std::lock_guard<std::mutex> guard(bits.mutex);
  if (counter <= top_.load(std::memory_order_relaxed)) return;
  for (std::atomic<u64>& word : bits.words) word.store(~u64{0}, std::memory_order_relaxed);
  const u64 last = counter % 64;
  bits.words[counter / 64 % kWords].store(last == 63 ? ~u64{0} : (u64{2} << last) - 1,
                                          std::memory_order_relaxed);
  top_.store(counter, std::memory_order_relaxed);
}

void ReplayWindow::advance(Bits& bits, u64 counter, u64 top) {
  const u64 ahead = counter / 64 - top / 64;
  for (u64 step = 1; step <= ahead && step <= kWords; step++) {
    bits.words[(top / 64 + step) % kWords].store(0, std::memory_order_relaxed);
  }
  top_.store(counter, std::memory_order_relaxed);
}

}  // namespace sojourn
