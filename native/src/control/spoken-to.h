// The peers that this host has sent control packets to of its own accord, for a while: their
// answers go before packets of strangers. One thread notes them, any thread asks. An entry may be
// overwritten by another peer: it is a preference, no permission.
#pragma once
#include <atomic>
#include <memory>

#include "base/seeded-hash.h"

namespace sojourn {

class SpokenTo {
 public:
  SpokenTo() : entries_(new std::atomic<u64>[kEntries] {}) {}

  void note(int family, const Address& peer, u16 port, u64 nowMs) {
    const u64 hash = hashOf(family, peer, port);
    entries_[hash % kEntries].store(word(hash, nowMs), std::memory_order_relaxed);
  }

  bool includes(int family, const Address& peer, u16 port, u64 nowMs) const {
    const u64 hash = hashOf(family, peer, port);
    const u64 entry = entries_[hash % kEntries].load(std::memory_order_relaxed);
    const u64 age = word(hash, nowMs) - entry;
    // Of another peer the hash differs, which is in the upper half.
    return age <= kSeconds;
  }

 private:
  static constexpr size_t kEntries = 1 << 14;
  static constexpr u64 kSeconds = 60;

  static u64 hashOf(int family, const Address& peer, u16 port) {
    return mixKey(mixKey(peer.high(), peer.low()), u64{port} << 8 | static_cast<u64>(family));
  }
  static u64 word(u64 hash, u64 nowMs) { return (hash >> 32 << 32) | (nowMs / 1000 & 0xffffffff); }

  std::unique_ptr<std::atomic<u64>[]> entries_;
};

}  // namespace sojourn
