// Path MTU discovery of all far ends (path-mtu/path-search.h). It runs only while large packets are
// sent: an idle tunnel costs no packet and no timer.
//
// Any packet thread starts a search or reports an answer; the first transmitting thread sends
// probes and answers.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "path-mtu/path-probe.h"
#include "path-mtu/path-search.h"
#include "tables/tables.h"

namespace sojourn {

class PathProber {
 public:
  // While large packets are sent, their size is confirmed this often.
  static constexpr u64 kConfirmMs = 4'000;
  // RFC 8899 §5.1.1 PMTU_RAISE_TIMER. The first attempts come sooner, each after twice the time of
  // the one before, because loss may have misled the search.
  static constexpr u64 kRaiseMs = 600'000;
  static constexpr u64 kFirstRaiseMs = 2'000;
  // After probes refuted an ICMP error, errors are only hints for this long.
  static constexpr u64 kDistrustMs = 60'000;
  // A far end that does not answer is asked again after this.
  static constexpr u64 kUnansweredMs = 60'000;
  // A relay drops large packets to a node until the node has shown that it receives at its address.
  static constexpr u64 kRelayPatienceMs = 3'000;

  // An inner packet for the tunnel, or for the path if the tunnel is 0.
  struct Outgoing {
    u32 tunnel = 0;
    OuterPath path;
    std::vector<u8> packet;
    bool answer = false;
  };

  // For packet threads that send: true if an inner packet of `octets` is so large that its path has
  // to be known, and the path is due for a search. A packet that fills the smallest size counts: a
  // sender that keeps to it still uses a larger path once that is found.
  static bool isDue(const Tunnel& tunnel, size_t octets, u64 nowMs) {
    return octets > kNeverLarge && !tunnel.endpoint->noProbeUntil.isPending(nowMs) &&
           octets + tunnel.overhead() >= smallestPathMtu(tunnel.path.family);
  }

  // Numbers of paths.
  struct Found {
    // Smaller than assumed.
    u64 lowered = 0;
    // Larger than an ICMP error said.
    u64 refuted = 0;
  };

  // True if a search began: the caller wakes the thread that sends. `routeMtu`: no larger outer
  // packet leaves this host; 0: unknown.
  bool start(const Tunnel& tunnel, u64 nowMs, size_t routeMtu);
  // The path changed: the next large packet starts another search.
  void restart(Endpoint& endpoint);
  // The answer to a probe from the far end `from`.
  void confirm(const Endpoint::Key& from, const PathProbe& answer, u64 nowMs);
  // Answers a probe, with fewer octets. False if too many answers wait or were sent just now.
  bool answer(const PathProbe& probe, u32 tunnel, const OuterPath& path, u64 nowMs);

  // Milliseconds until take() has work; -1: nothing to do.
  int timeoutMs(u64 nowMs) const;
  bool isReady(u64 nowMs) const { return nowMs >= nextMs_.load(std::memory_order_relaxed); }
  // The packets to send now.
  std::vector<Outgoing> take(const Tables& tables, u64 nowMs, Found& found);

 private:
  static constexpr size_t kSearches = 1024;
  static constexpr size_t kAnswers = 512;
  static constexpr u64 kNever = ~u64{0};

  struct Search {
    u32 tunnel;
    u64 nonce;
    PathSearch search;
    bool raise;
  };
  struct KeyHash {
    size_t operator()(const Endpoint::Key& key) const { return Endpoint::hash(key); }
  };

  // Below it no headers make a packet large; spares most packets the sum.
  static constexpr size_t kNeverLarge = smallestPathMtu(4) - 128;

  void schedule();
  bool step(Search& search, const Tunnel& tunnel, u64 nowMs, std::vector<Outgoing>& out,
            Found& found);
  static void apply(const Search& search, const Tunnel& tunnel, u64 nowMs, Found& found);
  static void refute(Endpoint& endpoint, u64 nowMs, Found& found);
  static u64 raiseWaitMs(const Endpoint& endpoint);
  static void finish(const Search& search, Endpoint& endpoint, u64 nowMs);

  mutable std::mutex mutex_;
  std::unordered_map<Endpoint::Key, Search, KeyHash> searches_;
  std::vector<Outgoing> answers_;
  u64 answersSinceMs_ = 0;
  size_t answersSent_ = 0;
  std::atomic<u64> nextMs_{kNever};
};

}  // namespace sojourn
