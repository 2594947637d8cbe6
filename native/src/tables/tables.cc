#include "tables/tables.h"

#include <algorithm>

namespace sojourn {
namespace {

bool addressLess(const Address& a, const Address& b) {
  return std::memcmp(a.bytes, b.bytes, 16) < 0;
}

}  // namespace

Tables::~Tables() {
  tunnels_.forEach([](const Tunnel& tunnel) { delete tunnel.counters; });
  delete local_.load();
}

FarEnd Tables::acquireFarEnd(const Endpoint::Key& key, const PeerValidation& peer) {
  Endpoint* endpoint = endpoints_.find(key);
  if (endpoint != nullptr) {
    endpoint->references++;
  } else {
    endpoint = new Endpoint(key);
    endpoints_.set(endpoint, domain_);
  }
  return {.endpoint = endpoint, .limit = limits_.acquire(endpoint, peer)};
}

void Tables::releaseFarEnd(const FarEnd& farEnd) {
  limits_.release(farEnd.limit, domain_);
  if (farEnd.endpoint != nullptr && --farEnd.endpoint->references == 0) {
    endpoints_.erase(farEnd.endpoint->identity, domain_);
  }
}

void Tables::tunnelSet(const TunnelSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Tunnel* former = tunnels_.find(spec.id);
  const FarEnd left = former == nullptr ? FarEnd{} : former->farEnd();
  TunnelCounters* counters = former == nullptr ? new TunnelCounters : former->counters;
  const FarEnd farEnd = acquireFarEnd(Endpoint::Key::of(spec.path, spec.protection), spec.peer);
  auto* tunnel = new Tunnel{.id = spec.id,
                            .mtu = spec.mtu,
                            .protection = spec.protection,
                            .path = spec.path,
                            .endpoint = farEnd.endpoint,
                            .counters = counters,
                            .limit = farEnd.limit};
  // The same far end by another path: the next large packet starts a search.
  if (left.endpoint == farEnd.endpoint && former != nullptr &&
      !(former->path.local == spec.path.local)) {
    farEnd.endpoint->noProbeUntil.clear();
    farEnd.endpoint->noRaiseUntil.clear();
    farEnd.endpoint->raises.store(0, std::memory_order_relaxed);
  }
  tunnels_.set(tunnel, domain_);
  // After the new tunnel is published: readers of the former one may still use its far end.
  releaseFarEnd(left);
}

void Tables::tunnelDelete(u32 id) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Tunnel* tunnel = tunnels_.find(id);
  if (tunnel == nullptr) return;
  const FarEnd left = tunnel->farEnd();
  TunnelCounters* counters = tunnel->counters;
  tunnels_.erase(id, domain_);
  releaseFarEnd(left);
  domain_.retire(counters);
}

void Tables::sealingKeysSet(const SealingKeysSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  sealingKeys_.set(spec, domain_);
}

void Tables::sealingKeysDelete(u32 tunnel) {
  const std::lock_guard<std::mutex> guard(mutex_);
  sealingKeys_.erase(tunnel, domain_);
}

void Tables::espKeysSet(const EspKeysSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  esp_.set(spec, domain_);
}

void Tables::espKeysDelete(u32 tunnel) {
  const std::lock_guard<std::mutex> guard(mutex_);
  esp_.erase(tunnel, domain_);
}

void Tables::espSpiSet(u32 spi) {
  const std::lock_guard<std::mutex> guard(mutex_);
  espSpis_.set(spi, domain_);
}

void Tables::espSpiDelete(u32 spi) {
  const std::lock_guard<std::mutex> guard(mutex_);
  espSpis_.erase(spi, domain_);
}

void Tables::relayLegSet(const RelayLegSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const Endpoint::Key key = Endpoint::Key::of(spec.path, Protection::sealed);
  releaseFarEnd(relayLegs_.set(spec, acquireFarEnd(key, spec.peer), domain_));
}

void Tables::relayLegDelete(u32 index) {
  const std::lock_guard<std::mutex> guard(mutex_);
  releaseFarEnd(relayLegs_.erase(index, domain_));
}

void Tables::routeSet(const RouteSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  routes_.set(spec, domain_);
}

void Tables::routeDelete(const RouteSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  routes_.erase(spec, domain_);
}

void Tables::overlaySet(const OverlaySpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  routes_.overlaySet(spec, domain_);
}

void Tables::overlayDelete(const IpPrefix& prefix) {
  const std::lock_guard<std::mutex> guard(mutex_);
  routes_.overlayErase(prefix, domain_);
}

void Tables::translationSet(const TranslationSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  translations_.set(spec, domain_);
}

void Tables::translationDelete(const TranslationSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  translations_.erase(spec, domain_);
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
  return std::binary_search(set->sorted.begin(), set->sorted.end(), Address::of(family, address),
                            addressLess);
}

}  // namespace sojourn
