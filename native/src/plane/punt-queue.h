// Control packets on their way to JavaScript: a bounded queue that packet threads fill and
// JavaScript's thread empties.
#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace sojourn {

// `roaming` is no path: a notice that sealed packets of `tunnel` came from there.
enum class PathKind : u8 { native, udp, tunnel, link, datagram, roaming };

struct ControlPath {
  PathKind kind = PathKind::native;
  u8 family = 4;
  u16 localPort = 0;
  u16 remotePort = 0;
  Address local;
  Address remote;
  u32 tunnel = 0;
  u32 relayIndex = 0;
  bool arp = false;
  u8 linkAddress[6] = {};
  std::string device;
};

struct ControlPacket {
  ControlPath path;
  std::vector<u8> packet;
};

class PuntQueue {
 public:
  static constexpr size_t kMaximumPackets = 8192;

  // `wake` is called from packet threads, at most once until the next take().
  explicit PuntQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  bool push(ControlPacket&& packet) {
    bool wake;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (queue_.size() >= kMaximumPackets) return false;
      queue_.push_back(std::move(packet));
      wake = !awake_;
      awake_ = true;
    }
    if (wake) wake_();
    return true;
  }

  std::vector<ControlPacket> take() {
    const std::lock_guard<std::mutex> guard(mutex_);
    awake_ = false;
    return std::exchange(queue_, {});
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  bool awake_ = false;
  std::vector<ControlPacket> queue_;
};

}  // namespace sojourn
