// A tunnel as the packet threads see it, and the far end that it leads to.
#pragma once
#include <atomic>

#include "base/bytes.h"
#include "base/seeded-hash.h"
#include "net/amplification-limit.h"
#include "seal/seal.h"
#include "tables/counters.h"

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
  // Sealed only.
  PlaceSpec place;
};

// The far end of one or more tunnels, with what was learnt about the path to it.
struct Endpoint {
  struct Key {
    Address remote;
    u16 port;
    u8 family;
    Encapsulation encapsulation;
    bool operator==(const Key& other) const {
      return remote == other.remote && port == other.port && family == other.family &&
             encapsulation == other.encapsulation;
    }
  };

  Key identity;
  // Largest outer packet in octets, 0 = nothing learnt; `pathMtuAt` in seconds of the monotonic
  // clock.
  std::atomic<u16> pathMtu{0};
  std::atomic<u32> pathMtuAt{0};
  u32 references = 1;

  explicit Endpoint(const Key& key) : identity(key) {}
  Key key() const { return identity; }
  bool matches(const Key& other) const { return identity == other; }
  static u64 hash(const Key& key) {
    const u64 rest =
        u64{key.port} << 16 | u64{key.family} << 8 | static_cast<u64>(key.encapsulation);
    return mixKey(key.remote.high() ^ rest, key.remote.low());
  }
  static void release(Endpoint* endpoint) { delete endpoint; }
};

// What leads to a far end, and what bounds it there: null for no bound.
struct FarEnd {
  Endpoint* endpoint = nullptr;
  PlaceAccount* account = nullptr;
};

struct TunnelCounters {
  std::atomic<u64> transmitPackets{0};
  std::atomic<u64> transmitOctets{0};
  std::atomic<u64> receivePackets{0};
  std::atomic<u64> receiveOctets{0};
  std::atomic<u64> lastReceivedMs{0};
  static void release(TunnelCounters* counters) { delete counters; }
};

// Never changes once published: a move publishes a new Tunnel with the same id and the same
// counters.
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
  // The leg of a path at a relay, and none of the tunnels: what goes there are whole datagrams of
  // others.
  bool relayed = false;
  // What bounds it; null where somebody showed that the far end is there.
  PlaceAccount* account = nullptr;

  FarEnd farEnd() const { return {endpoint, account}; }
  const Address& remote() const { return endpoint->identity.remote; }
  u16 remotePort() const { return endpoint->identity.port; }
  // Octets of a sealed datagram in front of the sealed header.
  size_t envelope() const { return relayIndex == 0 ? 0 : kEnvelope; }
  // What of a datagram is around the inner packet.
  size_t sealing() const {
    return encapsulation == Encapsulation::sealed ? envelope() + kSealedOverhead : 0;
  }
  // What the encapsulation adds behind the outer IP header.
  size_t framing() const {
    return encapsulation == Encapsulation::ipip ? 0 : kUdpHeader + sealing();
  }
  // Whether `octets` behind the UDP header may go there; counts them as gone.
  bool mayTake(u64 octets) const { return account == nullptr || account->take(octets); }
  // So many came from there.
  void came(u64 octets) const {
    if (account != nullptr) account->came(octets);
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

// What left for the far end of `tunnel`: `octets` as they are behind the outer header, and behind
// the UDP header where there is one.
inline void accountSent(Counters& counters, const Tunnel& tunnel, u64 packets, u64 octets) {
  const u64 counted = tunnel.relayed ? octets : octets - packets * tunnel.sealing();
  counters.add(tunnel.relayed ? Counters::relayPackets : Counters::transmitPackets, packets);
  counters.add(tunnel.relayed ? Counters::relayOctets : Counters::transmitOctets, counted);
  tunnel.counters->transmitPackets.fetch_add(packets, std::memory_order_relaxed);
  tunnel.counters->transmitOctets.fetch_add(counted, std::memory_order_relaxed);
}

}  // namespace sojourn
