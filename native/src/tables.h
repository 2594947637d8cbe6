// What the control plane tells the packet threads: tunnels, their endpoints, routes into them, local addresses.
// Writers (JavaScript's thread) are serialised by a mutex; readers take no lock and must be online in `domain()`.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "associations.h"
#include "bytes.h"
#include "epoch.h"
#include "hash-table.h"
#include "routes.h"
#include "seed.h"

namespace sojourn {

enum class Encapsulation : u8 { ipip = 0, udp = 1, sealed = 2 };

struct TunnelSpec {
  u32 id = 0;
  Encapsulation encapsulation = Encapsulation::udp;
  u8 family = 4;
  u16 mtu = 0;
  u16 localPort = 0;
  u16 remotePort = 0;
  Address local;
  Address remote;
  // Sealed only: what the far end is behind a relay; 0 = no relay.
  u32 relayIndex = 0;
};

// The far end of one or more tunnels, with what was learnt about the path to it.
struct Endpoint {
  struct Key {
    Address remote;
    u16 port;
    u8 family;
    Encapsulation encapsulation;
    bool operator==(const Key& other) const {
      return remote == other.remote && port == other.port && family == other.family && encapsulation == other.encapsulation;
    }
  };

  Key identity;
  // Largest outer packet in octets, 0 = nothing learnt; `pathMtuAt` in seconds of the monotonic clock.
  std::atomic<u16> pathMtu{0};
  std::atomic<u32> pathMtuAt{0};
  u32 references = 1;

  explicit Endpoint(const Key& key) : identity(key) {}
  Key key() const { return identity; }
  bool matches(const Key& other) const { return identity == other; }
  static u64 hash(const Key& key) {
    const u64 rest = u64{key.port} << 16 | u64{key.family} << 8 | static_cast<u64>(key.encapsulation);
    return mixKey(key.remote.high() ^ rest, key.remote.low());
  }
  static void release(Endpoint* endpoint) { delete endpoint; }
};

struct TunnelCounters {
  std::atomic<u64> transmitPackets{0};
  std::atomic<u64> transmitOctets{0};
  std::atomic<u64> receivePackets{0};
  std::atomic<u64> receiveOctets{0};
  std::atomic<u64> lastReceivedMs{0};
  static void release(TunnelCounters* counters) { delete counters; }
};

// Never changes once published: a move publishes a new Tunnel with the same id and the same counters.
struct Tunnel {
  using Key = u32;

  u32 id;
  Encapsulation encapsulation;
  u8 family;
  u16 mtu;
  u16 localPort;
  Address local;
  u32 relayIndex;
  Endpoint* endpoint;
  TunnelCounters* counters;

  const Address& remote() const { return endpoint->identity.remote; }
  u16 remotePort() const { return endpoint->identity.port; }
  // Octets of a sealed datagram in front of the sealed header.
  size_t envelope() const { return relayIndex == 0 ? 0 : kEnvelope; }
  // What the encapsulation adds behind the outer IP header.
  size_t framing() const {
    if (encapsulation == Encapsulation::ipip) return 0;
    return kUdpHeader + (encapsulation == Encapsulation::sealed ? kSealedOverhead + envelope() : 0);
  }
  size_t overhead() const { return (family == 6 ? kIpv6Header : kIpv4Header) + framing(); }
  // Largest inner packet: what the engine set, less if the path turned out narrower.
  size_t effectiveMtu() const {
    const size_t path = endpoint->pathMtu.load(std::memory_order_relaxed);
    return path == 0 || path >= mtu + overhead() ? mtu : path - overhead();
  }

  Key key() const { return id; }
  bool matches(Key other) const { return id == other; }
  static u64 hash(Key key) { return mixKey(key, 0); }
  static void release(Tunnel* tunnel) { delete tunnel; }
};

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
  void associationsSet(const AssociationsSpec& spec);
  void associationsDelete(u32 tunnel);
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
  const Routes& routes() const { return routes_; }
  // The tunnel of the longest mobile-side prefix that holds `address`; 0 = none.
  u32 route(int family, const u8* address) const { return routes_.mobile(family, address); }
  Endpoint* endpoint(const Endpoint::Key& key) const { return endpoints_.find(key); }
  bool isLocal(int family, const u8* address) const;
  bool knowsLocal() const { return local_.load(std::memory_order_seq_cst) != nullptr; }
  size_t tunnelCount() const { return tunnels_.size(); }

 private:
  Endpoint* acquireEndpoint(const Endpoint::Key& key);
  void releaseEndpoint(Endpoint* endpoint);

  std::mutex mutex_;
  EpochDomain domain_;
  HashTable<Tunnel> tunnels_;
  HashTable<Endpoint> endpoints_;
  Associations associations_;
  Routes routes_;
  std::atomic<LocalAddresses*> local_{nullptr};
};

}  // namespace sojourn
