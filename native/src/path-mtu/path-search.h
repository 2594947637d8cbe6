// Packetization layer path MTU discovery (RFC 8899) of one far end, without a socket or a clock:
// which sizes to probe, and which size is confirmed.
//
// A path counts as usable up to its assumed size until probes say otherwise (RFC 4821 §7.7), so
// that a far end that answers no probes loses nothing. A size is refused only if smaller probes
// that were sent after it were answered.
#pragma once
#include <vector>

#include "base/bytes.h"

namespace sojourn {

struct PathSizes {
  // Passes every path.
  u16 smallest;
  // Assumed to pass until now.
  u16 assumed;
  // The largest that may be tried.
  u16 largest;
};

class PathSearch {
 public:
  static constexpr u64 kFirstTimeoutMs = 300;
  static constexpr u64 kShortestTimeoutMs = 200;
  static constexpr int kVerifications = 3;
  // Between the verifications after these.
  static constexpr u64 kPatientTimeoutMs = 500;
  static constexpr int kAttempts = 2;
  // Sizes of one round.
  static constexpr int kPoints = 8;

  // `raise`: also look for a larger size than the assumed one. `patienceMs`: something on the path
  // may drop large packets for this long although they fit.
  PathSearch(const PathSizes& sizes, bool raise, u64 patienceMs = 0)
      : sizes_(sizes), raise_(raise), patienceMs_(patienceMs) {}

  // Fills `send` with the sizes to probe now. Call it at deadline() and after confirm().
  void poll(u64 nowMs, std::vector<u16>& send);
  // The far end answered a probe of `size` octets.
  void confirm(u16 size, u64 nowMs);

  u64 deadline() const { return deadlineMs_; }
  bool done() const { return phase_ == Phase::done; }
  // Whether the far end answered any probe.
  bool answered() const { return confirmed_ != 0; }
  // The largest size of an answered probe; 0: none was answered.
  u16 confirmed() const { return confirmed_; }
  // The largest size that data may use by now.
  u16 usable() const { return usable_ == 0 ? sizes_.assumed : usable_; }

 private:
  enum class Phase : u8 { verify, search, done };
  struct Point {
    u16 size;
    bool confirmed;
    u64 sentMs;  // first
  };

  bool mayRepeat(u64 nowMs) const;
  u64 timeoutMs() const;
  void send(u64 nowMs, std::vector<u16>& sizes);
  void finishVerification();
  void finishRound();
  // Looks between a size that passes and one that does not.
  void narrow(u16 low, u16 high);
  bool allConfirmed() const;

  const PathSizes sizes_;
  const bool raise_;
  const u64 patienceMs_;
  Phase phase_ = Phase::verify;
  int attempt_ = 0;
  u64 deadlineMs_ = 0;
  u64 sentMs_ = 0;
  u64 roundTripMs_ = 0;  // 0: unknown
  u16 confirmed_ = 0;
  u16 usable_ = 0;
  // Bounds of a round: `high_` did not pass, or is larger than the largest.
  u16 high_ = 0;
  std::vector<Point> points_;
};

}  // namespace sojourn
