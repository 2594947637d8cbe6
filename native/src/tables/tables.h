// The state that JavaScript's thread sets for the packet threads: tunnels and their endpoints,
// routes into tunnels, keys, legs, translations, local addresses. A mutex serialises writers.
// Readers take no lock and must be online in `domain()`.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "esp/esp-associations.h"
#include "esp/esp-spis.h"
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
  explicit Tables(unsigned slots = 1) : sealingKeys_(slots), esp_(slots) {}
  ~Tables();

  EpochDomain& domain() { return domain_; }

  // --- writers; they take the mutex themselves ---
  void tunnelSet(const TunnelSpec& spec);
  void tunnelDelete(u32 id);
  void routeSet(const RouteSpec& spec);
  void routeDelete(const RouteSpec& spec);
  void overlaySet(const OverlaySpec& spec);
  void overlayDelete(const IpPrefix& prefix);
  void translationSet(const TranslationSpec& spec);
  void translationDelete(const TranslationSpec& spec);
  void sealingKeysSet(const SealingKeysSpec& spec);
  void sealingKeysDelete(u32 tunnel);
  void espKeysSet(const EspKeysSpec& spec);
  void espKeysDelete(u32 tunnel);
  void espSpiSet(u32 spi);
  void espSpiDelete(u32 spi);
  void relayLegSet(const RelayLegSpec& spec);
  void relayLegDelete(u32 index);
  // The addresses whose Mobility Headers are punted; if empty, those to any address are.
  void localAddressesSet(std::vector<Address> addresses);

  // For the writers' thread.
  template <class Visit>
  void forEachTunnel(Visit visit) const {
    tunnels_.forEach(visit);
  }
  template <class Visit>
  void forEachEspTunnel(Visit visit) const {
    esp_.forEach(visit);
  }

  // --- readers ---
  const Tunnel* tunnel(u32 id) const { return tunnels_.find(id); }
  SendKey* sendKey(u32 tunnel) const { return sealingKeys_.sendKey(tunnel); }
  ReceiveKey* receiveKey(u32 spi) const { return sealingKeys_.receiveKey(spi); }
  EspSendKey* espSendKey(u32 tunnel) const { return esp_.sendKey(tunnel); }
  EspReceiveKey* espReceiveKey(u32 spi) const { return esp_.receiveKey(spi); }
  // Whether this host may receive ESP packets.
  bool anyEsp() const { return espSpis_.any() || esp_.any(); }
  const EspSpis& espSpis() const { return espSpis_; }
  const RelayLegs& relayLegs() const { return relayLegs_; }
  const Routes& routes() const { return routes_; }
  const TranslationTable& translations() const { return translations_; }
  // The tunnel of the longest mobile-side prefix that holds `address`; 0: none.
  u32 route(int family, const u8* address) const { return routes_.mobile(family, address); }
  Endpoint* endpoint(const Endpoint::Key& key) const { return endpoints_.find(key); }
  bool isLocal(int family, const u8* address) const;
  bool knowsLocal() const { return local_.load(std::memory_order_seq_cst) != nullptr; }

 private:
  FarEnd acquireFarEnd(const Endpoint::Key& key, const PeerValidation& peer);
  // Call after readers can no longer find the tunnel or leg that refers to it. Nulls are ignored.
  void releaseFarEnd(const FarEnd& farEnd);

  std::mutex mutex_;
  EpochDomain domain_;
  HashTable<Tunnel> tunnels_;
  HashTable<Endpoint> endpoints_;
  AmplificationLimits limits_;
  SealingKeys sealingKeys_;
  EspAssociations esp_;
  EspSpis espSpis_;
  RelayLegs relayLegs_;
  Routes routes_;
  TranslationTable translations_;
  std::atomic<LocalAddresses*> local_{nullptr};
};

}  // namespace sojourn
