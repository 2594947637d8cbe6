// The SPIs that this host's engine receives control datagrams under: those of its keys, and of the
// handshakes that it has begun. Every control datagram but an initiation names one.
#pragma once
#include <mutex>
#include <shared_mutex>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"

namespace sojourn {

class OwnSpis {
 public:
  enum class Answer : u8 {
    unnamed,  // the engine has named none: any may be one
    own,
    unknown,
  };

  // JavaScript's thread.
  void change(const std::vector<u32>& added, const std::vector<u32>& removed) {
    const std::unique_lock<std::shared_mutex> guard(mutex_);
    named_ = true;
    for (const u32 spi : removed) spis_.erase(spi);
    spis_.insert(added.begin(), added.end());
  }

  // Any thread.
  Answer find(u32 spi) const {
    const std::shared_lock<std::shared_mutex> guard(mutex_);
    if (!named_) return Answer::unnamed;
    return spis_.count(spi) != 0 ? Answer::own : Answer::unknown;
  }

 private:
  mutable std::shared_mutex mutex_;
  bool named_ = false;
  std::unordered_set<u32> spis_;
};

}  // namespace sojourn
