#include "plane/receive/unknown-endpoint-limit.h"

#include <algorithm>

namespace sojourn {
namespace {

u64 hashOf(const Endpoint::Key& from, unsigned bits) {
  Address prefix{};
  std::memcpy(prefix.bytes, from.remote.bytes, bits / 8);
  return mixKey(mixKey(prefix.high(), prefix.low()), u64{from.family} << 8 | bits);
}

}  // namespace

void UnknownEndpointLimit::refill(Bucket& bucket, const Rate& rate, u64 nowMs) {
  const u64 elapsedMs = nowMs > bucket.filledAtMs ? nowMs - bucket.filledAtMs : 0;
  bucket.filledAtMs = nowMs;
  const u64 refilled = std::min<u64>(bucket.used, elapsedMs * rate.perSecond);
  bucket.used -= static_cast<u32>(refilled);
}

bool UnknownEndpointLimit::allow(const Endpoint::Key& from, size_t length, size_t answer,
                                 u64 nowMs) {
  const bool six = from.family == 6;
  Bucket& endpoint = endpoints_[Endpoint::hash(from) % kBuckets];
  endpoint.octets = static_cast<u32>(std::min<size_t>(endpoint.octets + length, answer));
  if (endpoint.octets < answer) return false;
  Bucket& host = hosts_[hashOf(from, six ? 64 : 32) % kBuckets];
  Bucket& network = networks_[hashOf(from, six ? 48 : 24) % kBuckets];
  refill(endpoint, kEndpoint, nowMs);
  refill(host, kHost, nowMs);
  refill(network, kNetwork, nowMs);
  refill(total_, all_, nowMs);
  if (!hasToken(endpoint, kEndpoint) || !hasToken(host, kHost) || !hasToken(network, kNetwork) ||
      !hasToken(total_, all_)) {
    return false;
  }
  for (Bucket* bucket : {&endpoint, &host, &network, &total_}) bucket->used += 1000;
  endpoint.octets = 0;
  return true;
}

}  // namespace sojourn
