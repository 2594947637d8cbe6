// Token buckets by prefix, in a table of a fixed size. Each lookup touches one set of few entries,
// which the seeded hash chooses. A prefix without an entry takes that of the prefix that has used
// least of its burst: a flood keeps its own entry, whichever other prefixes come.
#pragma once
#include <memory>

#include "control/source-prefix.h"

namespace sojourn {

class PrefixBuckets {
 public:
  struct Rate {
    u32 perSecond;
    u32 burst;
  };

  PrefixBuckets() : sets_(new Set[kSets]) {}

  // Whether the prefix has a token. `take` is for the same prefix, right after it.
  bool has(u64 prefix, const Rate& rate, u64 nowMs);
  void take(u64 prefix);

 private:
  static constexpr size_t kSets = 1024;
  static constexpr size_t kWays = 4;

  struct Bucket {
    u64 prefix = 0;
    u64 filledAtMs = 0;
    // In thousandths of a token.
    u64 used = 0;
  };
  struct Set {
    Bucket ways[kWays];
  };

  static void refill(Bucket& bucket, const Rate& rate, u64 nowMs);
  Bucket& bucketOf(u64 prefix, const Rate& rate, u64 nowMs);

  std::unique_ptr<Set[]> sets_;
  Bucket* found_ = nullptr;
};

}  // namespace sojourn
