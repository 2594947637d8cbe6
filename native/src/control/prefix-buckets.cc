#include "control/prefix-buckets.h"

#include <algorithm>

namespace sojourn {

void PrefixBuckets::refill(Bucket& bucket, const Rate& rate, u64 nowMs) {
  const u64 elapsedMs = nowMs > bucket.filledAtMs ? nowMs - bucket.filledAtMs : 0;
  bucket.filledAtMs = nowMs;
  bucket.used -= std::min<u64>(bucket.used, elapsedMs * rate.perSecond);
}

PrefixBuckets::Bucket& PrefixBuckets::bucketOf(u64 prefix, const Rate& rate, u64 nowMs) {
  Set& set = sets_[prefix % kSets];
  Bucket* least = &set.ways[0];
  for (Bucket& bucket : set.ways) {
    refill(bucket, rate, nowMs);
    if (bucket.prefix == prefix) return bucket;
    if (bucket.used < least->used) least = &bucket;
  }
  *least = {.prefix = prefix, .filledAtMs = nowMs, .used = 0};
  return *least;
}

bool PrefixBuckets::has(u64 prefix, const Rate& rate, u64 nowMs) {
  found_ = &bucketOf(prefix, rate, nowMs);
  return found_->used + 1000 <= u64{rate.burst} * 1000;
}

void PrefixBuckets::take(u64 prefix) {
  if (found_ != nullptr && found_->prefix == prefix) found_->used += 1000;
}

}  // namespace sojourn
