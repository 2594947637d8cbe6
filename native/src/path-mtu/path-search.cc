#include "path-mtu/path-search.h"

#include <algorithm>

namespace sojourn {

void PathSearch::poll(u64 nowMs, std::vector<u16>& send) {
  send.clear();
  if (points_.empty()) points_ = {{sizes_.assumed, false, 0}};
  // A round may end at once, and the next one begins.
  while (!done()) {
    const bool complete = allConfirmed();
    if (!complete && nowMs < deadlineMs_) return;
    if (!complete && mayRepeat(nowMs)) {
      this->send(nowMs, send);
      return;
    }
    if (phase_ == Phase::verify) {
      finishVerification();
    } else {
      finishRound();
    }
    deadlineMs_ = 0;
  }
}

bool PathSearch::mayRepeat(u64 nowMs) const {
  if (phase_ == Phase::search) return attempt_ < kAttempts;
  return attempt_ < kVerifications ||
         (answered() && nowMs < points_.front().sentMs + patienceMs_);
}

u64 PathSearch::timeoutMs() const {
  const u64 shortest = attempt_ > kVerifications ? kPatientTimeoutMs : kShortestTimeoutMs;
  return std::max(shortest, 2 * roundTripMs_ + 50);
}

void PathSearch::send(u64 nowMs, std::vector<u16>& sizes) {
  // The smallest size tells a path that drops large packets from a far end that does not answer.
  const bool alone = phase_ == Phase::verify && points_.size() == 1;
  if (alone && attempt_ == 1 && sizes_.assumed > sizes_.smallest) {
    points_.push_back({sizes_.smallest, false, 0});
  }
  for (Point& point : points_) {
    if (point.confirmed) continue;
    if (point.sentMs == 0) point.sentMs = nowMs;
    sizes.push_back(point.size);
  }
  const u64 timeout = roundTripMs_ == 0 ? kFirstTimeoutMs << attempt_ : timeoutMs();
  sentMs_ = nowMs;
  deadlineMs_ = nowMs + timeout;
  attempt_++;
}

void PathSearch::confirm(u16 size, u64 nowMs) {
  for (Point& point : points_) {
    if (point.size != size || point.confirmed || point.sentMs == 0) continue;
    point.confirmed = true;
    confirmed_ = std::max(confirmed_, size);
    roundTripMs_ = std::max<u64>(1, nowMs - point.sentMs);
    deadlineMs_ = std::min(deadlineMs_, sentMs_ + timeoutMs());
    // Sizes between the confirmed ones pass as well.
    if (phase_ == Phase::search) usable_ = std::max(usable_, size);
    return;
  }
}

void PathSearch::finishVerification() {
  if (points_.front().confirmed) {
    usable_ = sizes_.assumed;
    if (raise_ && sizes_.assumed < sizes_.largest) {
      narrow(sizes_.assumed, static_cast<u16>(sizes_.largest + 1));
    } else {
      phase_ = Phase::done;
    }
  } else if (answered()) {
    usable_ = sizes_.smallest;
    narrow(sizes_.smallest, sizes_.assumed);
  } else {
    phase_ = Phase::done;
  }
}

void PathSearch::finishRound() {
  u16 low = usable_;
  u16 high = high_;
  for (const Point& point : points_) {
    if (point.confirmed) low = std::max(low, point.size);
  }
  for (const Point& point : points_) {
    if (!point.confirmed && point.size > low) high = std::min(high, point.size);
  }
  usable_ = low;
  narrow(low, high);
}

void PathSearch::narrow(u16 low, u16 high) {
  points_.clear();
  attempt_ = 0;
  high_ = high;
  phase_ = high - low > 1 ? Phase::search : Phase::done;
  const u32 room = high - low - 1u;
  const u32 count = std::min<u32>(room, kPoints);
  for (u32 index = 1; index <= count; index++) {
    points_.push_back({static_cast<u16>(low + room * index / count), false, 0});
  }
}

bool PathSearch::allConfirmed() const {
  // The assumed size alone decides a verification.
  if (phase_ == Phase::verify) return points_.front().confirmed;
  return std::all_of(points_.begin(), points_.end(),
                     [](const Point& point) { return point.confirmed; });
}

}  // namespace sojourn
