#include "control/prefix-buckets.h"

namespace sojourn {

PrefixBuckets::Entry& PrefixBuckets::entryOf(u64 prefix, const TokenRate& rate, u64 nowMs) {
  Set& set = sets_[prefix % kSets];
  Entry* least = &set.ways[0];
  for (Entry& entry : set.ways) {
    entry.bucket.refill(rate, nowMs);
    if (entry.prefix == prefix) return entry;
    if (entry.bucket.used < least->bucket.used) least = &entry;
  }
  *least = {.prefix = prefix, .bucket = {.filledAtMs = nowMs, .used = 0}};
  return *least;
}

bool PrefixBuckets::has(u64 prefix, const TokenRate& rate, u64 nowMs) {
  found_ = &entryOf(prefix, rate, nowMs);
  return found_->bucket.has(rate);
}

void PrefixBuckets::take(u64 prefix) {
  if (found_ != nullptr && found_->prefix == prefix) found_->bucket.used += 1000;
}

}  // namespace sojourn
