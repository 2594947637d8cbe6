// The SPIs of ESP (RFC 4303) whose packets go to the engine: packet threads look them up,
// JavaScript's thread sets them.
#pragma once
#include <atomic>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "base/seeded-hash.h"
#include "net/packet.h"
#include "tables/protection.h"

namespace sojourn {

struct EspSpi {
  using Key = u32;

  u32 spi;

  Key key() const { return spi; }
  bool matches(Key other) const { return spi == other; }
  static u64 hash(Key key) { return mixKey(key, 3); }
  static void release(EspSpi* entry) { delete entry; }
};

class EspSpis {
 public:
  // --- writers: the caller holds the tables' lock ---
  void set(u32 spi, EpochDomain& domain) {
    if (spis_.find(spi) != nullptr) return;
    spis_.set(new EspSpi{spi}, domain);
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  void erase(u32 spi, EpochDomain& domain) {
    if (spis_.find(spi) == nullptr) return;
    spis_.erase(spi, domain);
    count_.fetch_sub(1, std::memory_order_relaxed);
  }

  // --- readers ---
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
  // Whether the header chain of an IPv6 packet ends in ESP with one of the SPIs.
  bool takes(const PacketView& packet, const ChainEnd& end) const {
    if (end.protocol != kProtocolEsp || end.malformed || !any()) return false;
    return end.offset + kEspHeader <= packet.length &&
           spis_.find(load32(packet.data + end.offset)) != nullptr;
  }

 private:
  HashTable<EspSpi> spis_;
  std::atomic<u32> count_{0};
};

}  // namespace sojourn
