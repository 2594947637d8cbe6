// The legs of paths at a relay (docs/reference/ntmobile.md §9): packet threads look them up,
// JavaScript's thread sets them. A path has two legs, one to each of its nodes.
#pragma once
#include "base/epoch.h"
#include "base/hash-table.h"
#include "relay/octet-rate-limit.h"
#include "tables/tunnel.h"

namespace sojourn {

struct RelayLegSpec {
  u32 index = 0;
  // The index of the other leg of the path; 0: there is none.
  u32 other = 0;
  // To the node. Its relay index is `index`.
  OuterPath path;
  PeerValidation peer{.validated = false};
  u32 rateKilobits = 0;
};

// Why a relay drops a datagram. `in`: counted at the leg that it came by; `out`: at the leg that it
// would have been sent to.
// clang-format off
#define SOJOURN_RELAY_DROPS(X)                                                \
  X(source, "drop-source", dropRelaySource)                 /* in */          \
  X(alone, "drop-alone", dropRelayAlone)                    /* in */          \
  X(type, "drop-type", dropRelayType)                       /* in */          \
  X(rate, "drop-rate", dropRelayRate)                       /* out */         \
  X(unvalidated, "drop-unvalidated", dropRelayUnvalidated)  /* out */
// clang-format on

enum class RelayDrop : u8 {
#define X(reason, text, name) reason,
  SOJOURN_RELAY_DROPS(X)
#undef X
      kCount
};
inline constexpr const char* kRelayDropNames[] = {
#define X(reason, text, name) text,
    SOJOURN_RELAY_DROPS(X)
#undef X
};
inline constexpr Counters::Name kRelayDropCounters[] = {
#define X(reason, text, name) Counters::name,
    SOJOURN_RELAY_DROPS(X)
#undef X
};

// Stays with a leg when its node moves.
struct RelayLegState {
  // Whole datagrams with their envelopes: `transmit` to the leg's node, `receive` from it.
  TunnelCounters counters;
  std::atomic<u64> drops[static_cast<size_t>(RelayDrop::kCount)] = {};
  OctetRateLimit rate;
  static void release(RelayLegState* state) { delete state; }
};

// Immutable once published: a move publishes a new leg with the same state.
struct RelayLeg {
  using Key = u32;

  u32 index = 0;
  u32 other = 0;
  u32 rateKilobits = 0;
  // To the leg's node.
  Tunnel tunnel;
  RelayLegState* state = nullptr;

  // Counts `octets` as sent if they may be sent; if not, `reason` says why.
  bool admits(u64 octets, u64 nowMs, RelayDrop& reason) const;

  Key key() const { return index; }
  bool matches(Key sought) const { return index == sought; }
  static u64 hash(Key key) { return mixKey(key, 0); }
  static void release(RelayLeg* leg) { delete leg; }
};

class RelayLegs {
 public:
  ~RelayLegs();

  // --- writers: the caller holds the tables' lock ---
  // Both return the far end that the leg had before.
  FarEnd set(const RelayLegSpec& spec, const FarEnd& farEnd, EpochDomain& domain);
  FarEnd erase(u32 index, EpochDomain& domain);

  // --- readers ---
  const RelayLeg* find(u32 index) const { return index == 0 ? nullptr : legs_.find(index); }

 private:
  HashTable<RelayLeg> legs_;
};

}  // namespace sojourn
