// Which prefix leads into which tunnel: mobile-side prefixes, and those of other nodes ("peers"),
// by which a node knows the far end as a home agent knows its nodes. Written under the tables'
// lock.
#pragma once
#include <optional>

#include "base/seeded-hash.h"
#include "tables/prefix-table.h"

namespace sojourn {

// The prefix's length is the table it stands in.
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

// A prefix of which some addresses may have no tunnel yet, and this host's own address in it.
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
  // A prefix is the mobile side's or a peer's, whichever was said last.
  void set(const RouteSpec& spec, EpochDomain& domain);
  // Deletes only while the prefix still leads to that tunnel: a later set for another tunnel stays.
  void erase(const RouteSpec& spec, EpochDomain& domain);
  void overlaySet(const OverlaySpec& spec, EpochDomain& domain);
  void overlayErase(const IpPrefix& prefix, EpochDomain& domain) {
    overlays_.erase(prefix, domain);
  }

  // --- readers; 0: none ---
  u32 mobile(int family, const u8* address) const {
    return tunnelOf(mobile_.find(family, address));
  }
  u32 peer(int family, const u8* address) const { return tunnelOf(peers_.find(family, address)); }
  // Only peers have anything to send through it.
  bool isPeerTunnel(u32 tunnel) const { return peerTunnels_.find(tunnel) != nullptr; }
  bool isVirtual(int family, const u8* address) const {
    return overlays_.find(family, address) != nullptr;
  }
  bool isOwn(int family, const u8* address) const {
    const Overlay* overlay = overlays_.find(family, address);
    return overlay != nullptr && overlay->address == Address::of(family, address);
  }

 private:
  // How many peers' prefixes lead into a tunnel; none: it is not there. Readers ask for no more
  // than that.
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
