// Token buckets by prefix, in a table of a fixed size. Each lookup touches one set of few entries,
// which the seeded hash chooses. A prefix without an entry takes that of the prefix that has used
// least of its burst: a flood keeps its own entry, whichever other prefixes come.
#pragma once
#include <memory>

#include "control/source-prefix.h"

namespace sojourn {

struct TokenRate {
  u32 perSecond;
  u32 burst;
};

struct TokenBucket {
  u64 filledAtMs = 0;
  // In thousandths of a token.
  u64 used = 0;

  void refill(const TokenRate& rate, u64 nowMs) {
    const u64 elapsedMs = nowMs > filledAtMs ? nowMs - filledAtMs : 0;
    filledAtMs = nowMs;
    const u64 refilled = elapsedMs * rate.perSecond;
    used -= refilled < used ? refilled : used;
  }
  bool has(const TokenRate& rate) const { return used + 1000 <= u64{rate.burst} * 1000; }
  bool take(const TokenRate& rate, u64 nowMs) {
    refill(rate, nowMs);
    if (!has(rate)) return false;
    used += 1000;
    return true;
  }
};

class PrefixBuckets {
 public:
  PrefixBuckets() : sets_(new Set[kSets]) {}

  // Whether the prefix has a token. `take` is for the same prefix, right after it.
  bool has(u64 prefix, const TokenRate& rate, u64 nowMs);
  void take(u64 prefix);

 private:
  static constexpr size_t kSets = 1024;
  static constexpr size_t kWays = 4;

  struct Entry {
    u64 prefix = 0;
    TokenBucket bucket;
  };
  struct Set {
    Entry ways[kWays];
  };

  Entry& entryOf(u64 prefix, const TokenRate& rate, u64 nowMs);

  std::unique_ptr<Set[]> sets_;
  Entry* found_ = nullptr;
};

}  // namespace sojourn
