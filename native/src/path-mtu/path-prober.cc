#include "path-mtu/path-prober.h"

#include <sys/random.h>

#include <algorithm>

#include "base/clock.h"

namespace sojourn {
namespace {

constexpr u64 kAnswerWindowMs = 100;

u64 randomNonce() {
  u64 nonce = 0;
  if (::getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) nonce = mixKey(monotonicMs(), 1);
  return nonce;
}

u16 sizeOf(size_t octets) { return static_cast<u16>(std::min<size_t>(octets, 65535)); }

}  // namespace

bool PathProber::start(const Tunnel& tunnel, u64 nowMs, size_t routeMtu) {
  Endpoint& endpoint = *tunnel.endpoint;
  // A peer address that is not validated yet has a small allowance, which is for data. Behind an
  // optimized path is any host.
  const bool optimized = tunnel.path.carrier == Carrier::optimized;
  if (tunnel.relayLeg || tunnel.limit != nullptr || optimized) {
    endpoint.noProbeUntil.set(nowMs, kConfirmMs);
    return false;
  }
  const size_t smallest = smallestPathMtu(tunnel.path.family);
  // Beyond what ICMP said, which may be wrong or forged.
  size_t largest = tunnel.outerLength(tunnel.mtu);
  if (routeMtu != 0) largest = std::min(largest, routeMtu);
  const size_t known = endpoint.limits.least();
  const size_t assumed = known == 0 ? largest : std::min(largest, known);
  const bool raise = !endpoint.noRaiseUntil.isPending(nowMs);
  const std::lock_guard<std::mutex> guard(mutex_);
  if (assumed <= smallest && !(raise && largest > smallest)) {
    endpoint.noProbeUntil.set(nowMs, std::min(kConfirmMs, raiseWaitMs(endpoint)));
    return false;
  }
  // Until it is finished.
  endpoint.noProbeUntil.set(nowMs, kUnansweredMs);
  if (searches_.size() >= kSearches || searches_.contains(endpoint.identity)) return false;
  const PathSizes sizes{sizeOf(smallest), sizeOf(std::max(assumed, smallest)), sizeOf(largest)};
  const PathSearch search(sizes, raise, tunnel.path.relayIndex == 0 ? 0 : kRelayPatienceMs);
  searches_.emplace(endpoint.identity, Search{tunnel.id, randomNonce(), search, raise});
  nextMs_.store(0, std::memory_order_relaxed);
  return true;
}

void PathProber::restart(Endpoint& endpoint) {
  const std::lock_guard<std::mutex> guard(mutex_);
  searches_.erase(endpoint.identity);
  endpoint.raises.store(0, std::memory_order_relaxed);
  endpoint.noRaiseUntil.clear();
  endpoint.noProbeUntil.clear();
}

void PathProber::confirm(const Endpoint::Key& from, const PathProbe& answer, u64 nowMs) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = searches_.find(from);
  if (found == searches_.end() || found->second.nonce != answer.nonce) return;
  found->second.search.confirm(answer.size, nowMs);
  nextMs_.store(0, std::memory_order_relaxed);
}

bool PathProber::answer(const PathProbe& probe, u32 tunnel, const OuterPath& path, u64 nowMs) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (nowMs - answersSinceMs_ >= kAnswerWindowMs) {
    answersSinceMs_ = nowMs;
    answersSent_ = 0;
  }
  if (answersSent_ >= kAnswers || answers_.size() >= kAnswers) return false;
  answersSent_++;
  answers_.push_back({.tunnel = tunnel,
                      .path = path,
                      .packet = writePathProbe(
                          {.answer = true, .size = probe.size, .nonce = probe.nonce}, 0),
                      .answer = true});
  nextMs_.store(0, std::memory_order_relaxed);
  return true;
}

int PathProber::timeoutMs(u64 nowMs) const {
  const u64 next = nextMs_.load(std::memory_order_relaxed);
  if (next == kNever) return -1;
  return next <= nowMs ? 0 : static_cast<int>(std::min<u64>(next - nowMs, 60'000));
}

std::vector<PathProber::Outgoing> PathProber::take(const Tables& tables, u64 nowMs, Found& found) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::vector<Outgoing> out = std::move(answers_);
  answers_.clear();
  for (auto entry = searches_.begin(); entry != searches_.end();) {
    const Tunnel* tunnel = tables.tunnel(entry->second.tunnel);
    // The tunnel moved or ended: its new far end has a search of its own.
    const bool stays = tunnel != nullptr && tunnel->endpoint->identity == entry->first;
    if (stays && step(entry->second, *tunnel, nowMs, out, found)) {
      ++entry;
    } else {
      entry = searches_.erase(entry);
    }
  }
  schedule();
  return out;
}

void PathProber::schedule() {
  u64 next = kNever;
  for (const auto& [key, entry] : searches_) next = std::min(next, entry.search.deadline());
  nextMs_.store(next, std::memory_order_relaxed);
}

// False: the search is over.
bool PathProber::step(Search& entry, const Tunnel& tunnel, u64 nowMs, std::vector<Outgoing>& out,
                      Found& found) {
  std::vector<u16> sizes;
  entry.search.poll(nowMs, sizes);
  apply(entry, tunnel, nowMs, found);
  for (const u16 size : sizes) {
    const size_t inner = tunnel.innerLength(size);
    if (inner == 0) continue;
    out.push_back({.tunnel = tunnel.id,
                   .path = tunnel.path,
                   .packet = writePathProbe({.size = size, .nonce = entry.nonce}, inner)});
  }
  if (!entry.search.done()) return true;
  finish(entry, *tunnel.endpoint, nowMs);
  return false;
}

void PathProber::apply(const Search& entry, const Tunnel& tunnel, u64 nowMs, Found& found) {
  if (!entry.search.answered()) return;
  Endpoint& endpoint = *tunnel.endpoint;
  const size_t full = tunnel.outerLength(tunnel.mtu);
  const u16 before = endpoint.limits.probed();
  const u16 after = entry.search.usable() >= full ? u16{0} : entry.search.usable();
  const size_t known = endpoint.limits.learnt();
  if (known != 0 && entry.search.confirmed() > known) {
    endpoint.limits.setProbed(after);
    refute(endpoint, nowMs, found);
    return;
  }
  // What ICMP said already is not learnt here.
  if (before == 0 && known != 0 && (after == 0 || after >= known)) return;
  if (after == before) return;
  if (after != 0 && (before == 0 || after < before)) {
    found.lowered++;
    endpoint.raises.store(0, std::memory_order_relaxed);
    endpoint.noRaiseUntil.clear();
  }
  endpoint.limits.setProbed(after);
}

// A larger packet than the error allowed passed. If the MTU of a route was learnt, the route is
// another one now.
void PathProber::refute(Endpoint& endpoint, u64 nowMs, Found& found) {
  if (endpoint.learntFromError.load(std::memory_order_relaxed)) {
    endpoint.learntUntil.set(nowMs, kDistrustMs);
    found.refuted++;
  } else {
    endpoint.learntUntil.clear();
  }
  endpoint.limits.setLearnt(0);
}

u64 PathProber::raiseWaitMs(const Endpoint& endpoint) {
  const u8 raises = endpoint.raises.load(std::memory_order_relaxed);
  return std::min(kRaiseMs, kFirstRaiseMs << std::min<u8>(raises, 16));
}

void PathProber::finish(const Search& entry, Endpoint& endpoint, u64 nowMs) {
  const bool answered = entry.search.answered();
  if (!answered || !endpoint.limits.known()) {
    endpoint.noProbeUntil.set(nowMs, answered ? kConfirmMs : kUnansweredMs);
    return;
  }
  // The first attempts for a larger size do not wait for the next confirmation.
  const u64 raiseMs = raiseWaitMs(endpoint);
  endpoint.noProbeUntil.set(nowMs, std::min(kConfirmMs, raiseMs));
  if (!entry.raise && endpoint.noRaiseUntil.isSet()) return;
  endpoint.noRaiseUntil.set(nowMs, raiseMs);
  const u8 raises = endpoint.raises.load(std::memory_order_relaxed);
  endpoint.raises.store(static_cast<u8>(std::min(raises + 1, 16)), std::memory_order_relaxed);
}

}  // namespace sojourn
