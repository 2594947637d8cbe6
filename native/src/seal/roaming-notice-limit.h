// Bounds the notices that a tunnel's packets came from another address than its far end's.
#pragma once
#include <mutex>

#include "base/bytes.h"
#include "base/lazy.h"

namespace sojourn {

// One notice a second for each peer address, for a few addresses at a time: an attacker on the path
// can give packets any source address.
class RoamingNoticeLimit {
 public:
  // `peer`: a hash of address, port and relay index.
  bool allow(u64 peer, u64 nowMs);

 private:
  static constexpr int kPeers = 4;
  static constexpr u64 kIntervalMs = 1000;

  struct Notice {
    u64 peer = 0;
    u64 atMs = 0;
    bool used = false;
  };
  // Of a tunnel whose packets came from elsewhere once.
  struct Notices {
    std::mutex mutex;
    Notice of[kPeers];
  };
  Lazy<Notices> notices_;
};

}  // namespace sojourn
