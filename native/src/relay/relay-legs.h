// The legs of paths at a relay (docs/ntmobile.md §9): looked up by packet threads, set by
// JavaScript's thread.
#pragma once
#include <algorithm>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "tables/tunnel.h"

namespace sojourn {

struct RelayLegSpec {
  u32 index = 0;
  // Index of the other leg of the path; 0 = not there.
  u32 other = 0;
  u8 family = 4;
  u16 remotePort = 0;
  Address local;
  Address remote;
  PlaceSpec place{.validated = false};
  u32 rateKilobits = 0;
};

// Why a datagram was not passed on: the reason counts at the leg that it came by, or at the one
// that it would have gone to.
// clang-format off
#define SOJOURN_RELAY_DROPS(X)                                                  \
  X(source, "drop-source", dropRelaySource)                 /* came by */       \
  X(alone, "drop-alone", dropRelayAlone)                    /* came by */       \
  X(type, "drop-type", dropRelayType)                       /* came by */       \
  X(rate, "drop-rate", dropRelayRate)                       /* would go to */   \
  X(unvalidated, "drop-unvalidated", dropRelayUnvalidated)  /* would go to */
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

// A token bucket for any number of threads.
class OctetRate {
 public:
  // What may go at once: what the rate carries in that time, and no less than so many octets.
  static constexpr u64 kBurstMs = 100;
  static constexpr u64 kBurstOctets = 256 * 1024;

  // Whether `octets` may go now; if not, nothing was taken.
  bool take(u64 octets, u32 kilobits, u64 nowMs) {
    if (kilobits == 0) return false;
    // A kilobit a second is a bit a millisecond.
    const u64 burst = std::min(std::max(kilobits * kBurstMs, kBurstOctets * 8), u64{0xffffffff});
    u64 state = state_.load(std::memory_order_relaxed);
    for (;;) {
      const u32 elapsed = static_cast<u32>(nowMs) - static_cast<u32>(state >> 32);
      // Another thread's clock was read a little later than ours.
      const bool past = state != 0 && elapsed > 0u - kSkewMs;
      const u64 left = (state & 0xffffffff) + (past ? 0 : u64{elapsed} * kilobits);
      const u64 bits = state == 0 ? burst : std::min(burst, left);
      if (bits < octets * 8) return false;
      const u64 time = past ? state >> 32 : nowMs & 0xffffffff;
      if (state_.compare_exchange_weak(state, time << 32 | (bits - octets * 8),
                                       std::memory_order_relaxed)) {
        return true;
      }
    }
  }

 private:
  static constexpr u32 kSkewMs = 10'000;

  // The upper half is a time in milliseconds, the lower one what was left then, in bits; 0 is full.
  // The time wraps after seven weeks, which at worst leaves a bucket that was not used for so long
  // emptier than it is.
  std::atomic<u64> state_{0};
};

// What stays with a leg wherever its node is.
struct RelayLegState {
  // Whole datagrams, with their envelopes: `transmit` goes to the leg, `receive` comes from it.
  TunnelCounters counters;
  std::atomic<u64> drops[static_cast<size_t>(RelayDrop::kCount)] = {};
  OctetRate rate;
  static void release(RelayLegState* state) { delete state; }
};

// Never changes once published: a move publishes a new one with the same state.
struct RelayLeg {
  using Key = u32;

  u32 index;
  u32 other;
  u32 rateKilobits;
  // How datagrams get there, and how many may.
  Tunnel way;
  RelayLegState* state;

  // Counts `octets` as gone, unless they may not go; then gives why.
  bool admits(u64 octets, u64 nowMs, RelayDrop& reason) const;

  Key key() const { return index; }
  bool matches(Key wanted) const { return index == wanted; }
  static u64 hash(Key key) { return mixKey(key, 0); }
  static void release(RelayLeg* leg) { delete leg; }
};

class RelayLegs {
 public:
  ~RelayLegs();

  // --- writers: the caller holds the tables' lock ---
  // `farEnd` is where the spec leads; both give the one that the leg had before, or nulls.
  FarEnd set(const RelayLegSpec& spec, const FarEnd& farEnd, EpochDomain& domain);
  FarEnd erase(u32 index, EpochDomain& domain);

  // --- readers ---
  const RelayLeg* find(u32 index) const { return index == 0 ? nullptr : legs_.find(index); }

 private:
  HashTable<RelayLeg> legs_;
};

}  // namespace sojourn
