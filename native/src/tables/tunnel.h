// A tunnel as the packet threads see it: an outer path and a protection.
#pragma once
#include <atomic>

#include "tables/counters.h"
#include "tables/endpoint.h"

namespace sojourn {

struct TunnelSpec {
  u32 id = 0;
  u16 mtu = 0;
  OuterPath path;
  // The keys are set separately (seal/sealing-keys.h, esp/esp-associations.h).
  Protection protection = Protection::none;
  // Sealed only.
  PeerValidation peer;
};

struct TunnelCounters {
  std::atomic<u64> transmitPackets{0};
  std::atomic<u64> transmitOctets{0};
  std::atomic<u64> receivePackets{0};
  std::atomic<u64> receiveOctets{0};
  // The kernel refused to send them.
  std::atomic<u32> refusedPackets{0};

  void receivedAt(u64 nowMs) {
    lastReceived_.store(static_cast<u32>(nowMs / kUnitMs), std::memory_order_relaxed);
  }
  u64 lastReceivedMs() const {
    return u64{lastReceived_.load(std::memory_order_relaxed)} * kUnitMs;
  }
  static void release(TunnelCounters* counters) { delete counters; }

 private:
  static constexpr u64 kUnitMs = 64;

  std::atomic<u32> lastReceived_{0};
};

// malloc needs 64 octets for more.
static_assert(sizeof(TunnelCounters) <= 40);

// Immutable once published: a move publishes a new Tunnel with the same id and the same counters.
struct Tunnel {
  using Key = u32;

  u32 id = 0;
  u16 mtu = 0;
  Protection protection = Protection::none;
  // Sends to a relay's leg: its datagrams are whole and sealed by another host.
  bool relayLeg = false;
  OuterPath path;
  Endpoint* endpoint = nullptr;
  TunnelCounters* counters = nullptr;
  // Null: the peer address is validated.
  AmplificationLimit* limit = nullptr;

  FarEnd farEnd() const { return {.endpoint = endpoint, .limit = limit}; }
  // Octets of a datagram around the inner packet; of ESP without the padding. Only sealed datagrams
  // have an envelope.
  size_t sealing() const {
    if (protection == Protection::none) return 0;
    return path.envelope() + protectionOverhead(protection);
  }
  // Octets of an outer packet around the inner packet; of ESP without the padding.
  size_t overhead() const { return path.headers() + sealing(); }
  // The outer packet of an inner packet of `length` octets.
  size_t outerLength(size_t length) const {
    if (!isEsp(protection)) return length + overhead();
    return path.headers() + protectedLength(protection, length);
  }
  // The largest inner packet whose outer packet has at most `octets`.
  size_t innerLength(size_t octets) const {
    if (!isEsp(protection)) return octets > overhead() ? octets - overhead() : 0;
    return octets > path.headers() ? largestInner(protection, octets - path.headers()) : 0;
  }
  // The largest inner packet: the engine's MTU, or less if the path MTU requires it.
  size_t effectiveMtu() const {
    const size_t pathMtu = endpoint->limits.least();
    return pathMtu == 0 || pathMtu >= outerLength(mtu) ? mtu : innerLength(pathMtu);
  }

  // Whether `octets` behind the UDP header may be sent; if so, counts them as sent.
  bool maySend(u64 octets) const { return limit == nullptr || limit->trySend(octets); }
  void received(u64 octets) const {
    if (limit != nullptr) limit->received(octets);
  }

  Key key() const { return id; }
  bool matches(Key other) const { return id == other; }
  static u64 hash(Key key) { return mixKey(key, 0); }
  static void release(Tunnel* tunnel) { delete tunnel; }
};

// Counts packets that were sent: `octets` behind the outer IP header, or the UDP header if there
// is one.
inline void countSent(Counters& counters, const Tunnel& tunnel, u64 packets, u64 octets) {
  const bool leg = tunnel.relayLeg;
  const u64 counted = leg ? octets : octets - packets * tunnel.sealing();
  counters.add(leg ? Counters::relayPackets : Counters::transmitPackets, packets);
  counters.add(leg ? Counters::relayOctets : Counters::transmitOctets, counted);
  tunnel.counters->transmitPackets.fetch_add(packets, std::memory_order_relaxed);
  tunnel.counters->transmitOctets.fetch_add(counted, std::memory_order_relaxed);
}

inline void countRefused(Counters& counters, const Tunnel& tunnel, u64 packets) {
  counters.add(Counters::dropSendError, packets);
  tunnel.counters->refusedPackets.fetch_add(static_cast<u32>(packets),
                                            std::memory_order_relaxed);
}

}  // namespace sojourn
