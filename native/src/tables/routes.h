// Routes of inner packets: prefix → tunnel. Mobile-side prefixes are those of the mobile node or
// network. Peer prefixes are those of other nodes that a node has tunnels to. Written under the
// tables' lock.
#pragma once
#include <optional>

#include "base/seeded-hash.h"
#include "tables/prefix-table.h"

namespace sojourn {

// The prefix length is that of the table which holds the route.
struct Route {
  using Key = Address;

  Address prefix;
  std::atomic<u32> tunnel;

  Route(const Address& address, u32 id) : prefix(address), tunnel(id) {}
  Key key() const { return prefix; }
  bool matches(const Key& other) const { return prefix == other; }
  static u64 hash(const Key& key) { return mixKey(key.high(), key.low()); }
  static void release(Route* route) { delete route; }
};

// A prefix of virtual addresses, some of which may have no tunnel yet, and this host's own address
// in it.
struct Overlay {
  using Key = Address;

  Address prefix;
  std::optional<Address> address;

  Key key() const { return prefix; }
  bool matches(const Key& other) const { return prefix == other; }
  static u64 hash(const Key& key) { return mixKey(key.high(), key.low()); }
  static void release(Overlay* overlay) { delete overlay; }
};

struct RouteSpec {
  IpPrefix prefix;
  u32 tunnel = 0;
  bool peer = false;
};

struct OverlaySpec {
  IpPrefix prefix;
  std::optional<Address> address;
};

class Routes {
 public:
  // --- writers ---
  // A prefix is either of the mobile side or of a peer: the last call decides.
  void set(const RouteSpec& spec, EpochDomain& domain);
  // Deletes the route only if it leads to `spec.tunnel`: a later route to another tunnel stays.
  void erase(const RouteSpec& spec, EpochDomain& domain);
  void overlaySet(const OverlaySpec& spec, EpochDomain& domain);
  void overlayErase(const IpPrefix& prefix, EpochDomain& domain) {
    overlays_.erase(prefix, domain);
  }

  // --- readers; 0: none ---
  u32 mobile(int family, const u8* address) const {
    return tunnelOf(mobile_.find(family, address));
  }
  // The tunnel of a home address, which is a mobile-side prefix of its own.
  u32 home(int family, const u8* address) const {
    const Route* route = mobile_.find(family, address);
    return route != nullptr && route->prefix == Address::of(family, address) ? tunnelOf(route) : 0;
  }
  u32 peer(int family, const u8* address) const { return tunnelOf(peers_.find(family, address)); }
  // Only packets of peers may come through the tunnel.
  bool isPeerTunnel(u32 tunnel) const { return peerTunnels_.find(tunnel) != nullptr; }
  bool isVirtual(int family, const u8* address) const {
    return overlays_.find(family, address) != nullptr;
  }
  bool isOwn(int family, const u8* address) const {
    const Overlay* overlay = overlays_.find(family, address);
    return overlay != nullptr && overlay->address == Address::of(family, address);
  }

 private:
  // The number of peer prefixes that lead into a tunnel. Readers only check its existence.
  struct PeerTunnel {
    using Key = u32;

    u32 id;
    u32 prefixes;

    Key key() const { return id; }
    bool matches(Key other) const { return id == other; }
    static u64 hash(Key key) { return mixKey(key, 1); }
    static void release(PeerTunnel* tunnel) { delete tunnel; }
  };

  static u32 tunnelOf(const Route* route) {
    return route == nullptr ? 0 : route->tunnel.load(std::memory_order_seq_cst);
  }
  void erasePeer(const IpPrefix& prefix, EpochDomain& domain);
  void countPeer(u32 tunnel, EpochDomain& domain);
  void discountPeer(u32 tunnel, EpochDomain& domain);

  PrefixTable<Route> mobile_;
  PrefixTable<Route> peers_;
  HashTable<PeerTunnel> peerTunnels_;
  PrefixTable<Overlay> overlays_;
};

}  // namespace sojourn
