#include "tables.h"

#include <algorithm>
#include <random>

namespace sojourn {
namespace {

u64 randomWord() {
  std::random_device device;
  return (u64{device()} << 32 | device()) | 1;
}

const u64 seedA = randomWord();
const u64 seedB = randomWord();

Address masked(const Address& address, unsigned length) {
  Address result;
  const u64 highMask = length >= 64 ? ~u64{0} : length == 0 ? 0 : ~u64{0} << (64 - length);
  const u64 lowMask = length <= 64 ? 0 : length >= 128 ? ~u64{0} : ~u64{0} << (128 - length);
  const u64 high = address.high() & __builtin_bswap64(highMask);
  const u64 low = address.low() & __builtin_bswap64(lowMask);
  std::memcpy(result.bytes, &high, 8);
  std::memcpy(result.bytes + 8, &low, 8);
  return result;
}

bool addressLess(const Address& a, const Address& b) { return std::memcmp(a.bytes, b.bytes, 16) < 0; }

}  // namespace

u64 mixKey(u64 a, u64 b) {
  const unsigned __int128 first = static_cast<unsigned __int128>(a ^ seedA) * (b ^ seedB);
  const u64 folded = static_cast<u64>(first) ^ static_cast<u64>(first >> 64);
  // A zero factor would lose the other one: mix both in again.
  const unsigned __int128 second = static_cast<unsigned __int128>(folded ^ a ^ 0x9e3779b97f4a7c15u) * (b ^ seedA);
  return static_cast<u64>(second) ^ static_cast<u64>(second >> 64) ^ folded;
}

Tables::~Tables() {
  tunnels_.forEach([](const Tunnel& tunnel) { delete tunnel.counters; });
  delete local_.load();
}

Endpoint* Tables::acquireEndpoint(const Endpoint::Key& key) {
  Endpoint* endpoint = endpoints_.find(key);
  if (endpoint != nullptr) {
    endpoint->references++;
    return endpoint;
  }
  endpoint = new Endpoint(key);
  endpoints_.set(endpoint, domain_);
  return endpoint;
}

void Tables::releaseEndpoint(Endpoint* endpoint) {
  if (--endpoint->references == 0) endpoints_.erase(endpoint->identity, domain_);
}

void Tables::tunnelSet(const TunnelSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Tunnel* former = tunnels_.find(spec.id);
  Endpoint* left = former == nullptr ? nullptr : former->endpoint;
  TunnelCounters* counters = former == nullptr ? new TunnelCounters : former->counters;
  Endpoint* endpoint = acquireEndpoint({spec.remote, spec.remotePort, spec.family, spec.encapsulation});
  auto* tunnel = new Tunnel{spec.id,        spec.encapsulation, spec.family, spec.mtu, spec.localPort,
                            spec.local,     spec.relayIndex,    endpoint,    counters};
  tunnels_.set(tunnel, domain_);
  // After the new tunnel is published: readers of the former one may still use its endpoint, which is retired behind it.
  if (left != nullptr) releaseEndpoint(left);
}

void Tables::tunnelDelete(u32 id) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Tunnel* tunnel = tunnels_.find(id);
  if (tunnel == nullptr) return;
  Endpoint* endpoint = tunnel->endpoint;
  TunnelCounters* counters = tunnel->counters;
  tunnels_.erase(id, domain_);
  releaseEndpoint(endpoint);
  domain_.retire(counters);
}

void Tables::associationsSet(const AssociationsSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  associations_.set(spec, domain_);
}

void Tables::associationsDelete(u32 tunnel) {
  const std::lock_guard<std::mutex> guard(mutex_);
  associations_.erase(tunnel, domain_);
}

void Tables::markLength(int family, unsigned length, bool used) {
  std::atomic<u64>& word = family == 6 ? used6_[length / 64] : used4_;
  const u64 bit = u64{1} << (length % 64);
  if (used) {
    word.fetch_or(bit, std::memory_order_seq_cst);
  } else {
    word.fetch_and(~bit, std::memory_order_seq_cst);
  }
}

void Tables::routeSet(int family, const Address& prefix, unsigned length, u32 tunnel) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Address key = masked(prefix, length);
  HashTable<Route>& table = tableOf(family, length);
  if (Route* present = table.find(key)) {
    present->tunnel.store(tunnel, std::memory_order_release);
    return;
  }
  table.set(new Route(key, tunnel), domain_);
  if (table.size() == 1) markLength(family, length, true);
}

void Tables::routeDelete(int family, const Address& prefix, unsigned length, u32 tunnel) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Address key = masked(prefix, length);
  HashTable<Route>& table = tableOf(family, length);
  const Route* present = table.find(key);
  if (present == nullptr || present->tunnel.load(std::memory_order_relaxed) != tunnel) return;
  table.erase(key, domain_);
  if (table.size() == 0) markLength(family, length, false);
}

void Tables::localAddressesSet(std::vector<Address> addresses) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::sort(addresses.begin(), addresses.end(), addressLess);
  auto* next = addresses.empty() ? nullptr : new LocalAddresses{std::move(addresses)};
  domain_.retire(local_.exchange(next, std::memory_order_seq_cst));
}

bool Tables::isLocal(int family, const u8* address) const {
  const LocalAddresses* set = local_.load(std::memory_order_seq_cst);
  if (set == nullptr) return true;
  return std::binary_search(set->sorted.begin(), set->sorted.end(), Address::of(family, address), addressLess);
}

u32 Tables::route(int family, const u8* bytes) const {
  const Address address = Address::of(family, bytes);
  const int words = family == 6 ? 3 : 1;
  for (int word = words - 1; word >= 0; word--) {
    u64 bits = (family == 6 ? used6_[word] : used4_).load(std::memory_order_seq_cst);
    while (bits != 0) {
      const int bit = 63 - __builtin_clzll(bits);
      bits &= ~(u64{1} << bit);
      const unsigned length = static_cast<unsigned>(word * 64 + bit);
      const HashTable<Route>& table = family == 6 ? routes6_[length] : routes4_[length];
      if (const Route* found = table.find(masked(address, length))) return found->tunnel.load(std::memory_order_acquire);
    }
  }
  return 0;
}

}  // namespace sojourn
