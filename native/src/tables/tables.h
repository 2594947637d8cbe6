// What the control plane tells the packet threads: tunnels, their endpoints, routes into them,
// local addresses. Writers (JavaScript's thread) are serialised by a mutex; readers take no lock
// and must be online in `domain()`.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/epoch.h"
#include "base/hash-table.h"
#include "base/seeded-hash.h"
#include "relay/relay-legs.h"
#include "seal/sealing-keys.h"
#include "tables/routes.h"
#include "tables/tunnel.h"
#include "translate/translation-table.h"

namespace sojourn {

struct LocalAddresses {
  std::vector<Address> sorted;
  static void release(LocalAddresses* set) { delete set; }
};

class Tables {
 public:
  // `slots`: threads that seal or open packets.
  explicit Tables(unsigned slots = 1) : associations_(slots) {}
  ~Tables();

  EpochDomain& domain() { return domain_; }

  // --- writers; `lock()` is taken inside ---
  void tunnelSet(const TunnelSpec& spec);
  void tunnelDelete(u32 id);
  void routeSet(const RouteSpec& spec);
  void routeDelete(const RouteSpec& spec);
  void overlaySet(const OverlaySpec& spec);
  void overlayDelete(const IpPrefix& prefix);
  void translationSet(const TranslationSpec& spec);
  void translationDelete(const TranslationSpec& spec);
  void associationsSet(const AssociationsSpec& spec);
  void associationsDelete(u32 tunnel);
  void relayLegSet(const RelayLegSpec& spec);
  void relayLegDelete(u32 index);
  // Addresses whose Mobility Headers are punted; empty = all are.
  void localAddressesSet(std::vector<Address> addresses);
  // Nothing changes while `body` runs; for readers that are no packet thread.
  template <class Body>
  auto locked(Body body) {
    const std::lock_guard<std::mutex> guard(mutex_);
    return body();
  }

  // --- readers ---
  const Tunnel* tunnel(u32 id) const { return tunnels_.find(id); }
  SendAssociation* sender(u32 tunnel) const { return associations_.sender(tunnel); }
  ReceiveAssociation* receiver(u32 spi) const { return associations_.receiver(spi); }
  const RelayLegs& relayLegs() const { return relayLegs_; }
  const Routes& routes() const { return routes_; }
  const Translations& translations() const { return translations_; }
  // The tunnel of the longest mobile-side prefix that holds `address`; 0 = none.
  u32 route(int family, const u8* address) const { return routes_.mobile(family, address); }
  Endpoint* endpoint(const Endpoint::Key& key) const { return endpoints_.find(key); }
  bool isLocal(int family, const u8* address) const;
  bool knowsLocal() const { return local_.load(std::memory_order_seq_cst) != nullptr; }
  size_t tunnelCount() const { return tunnels_.size(); }

 private:
  FarEnd acquireFarEnd(const Endpoint::Key& key, const PlaceSpec& place);
  // After what has it can no longer be found; nulls are fine.
  void releaseFarEnd(const FarEnd& farEnd);

  std::mutex mutex_;
  EpochDomain domain_;
  HashTable<Tunnel> tunnels_;
  HashTable<Endpoint> endpoints_;
  PlaceAccounts accounts_;
  Associations associations_;
  RelayLegs relayLegs_;
  Routes routes_;
  Translations translations_;
  std::atomic<LocalAddresses*> local_{nullptr};
};

}  // namespace sojourn
