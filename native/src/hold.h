// Packets from an endpoint that no tunnel names yet: a mobile node sends data right behind its Binding Update, and the plane is
// faster than the home agent's answer to it. They wait for a short while and are judged again once the tunnel is set.
#pragma once
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "bytes.h"
#include "tables.h"

namespace sojourn {

class HoldQueue {
 public:
  static constexpr size_t kMaximumPackets = 512;
  static constexpr size_t kMaximumOctets = 1 << 20;

  struct Held {
    Endpoint::Key from;
    u8 trafficClass;
    u64 atMs;
    std::vector<u8> packet;
  };

  // False when it is full.
  bool push(const Endpoint::Key& from, u8 trafficClass, const u8* packet, size_t length, u64 nowMs) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (held_.size() >= kMaximumPackets || octets_ + length > kMaximumOctets) return false;
    held_.push_back({from, trafficClass, nowMs, std::vector<u8>(packet, packet + length)});
    octets_ += length;
    waiting_.store(true, std::memory_order_release);
    return true;
  }

  // Takes out, in order, what came from `from`.
  std::vector<Held> take(const Endpoint::Key& from) {
    std::vector<Held> taken;
    if (!waiting()) return taken;
    const std::lock_guard<std::mutex> guard(mutex_);
    std::deque<Held> left;
    for (Held& held : held_) {
      if (held.from == from) {
        octets_ -= held.packet.size();
        taken.push_back(std::move(held));
      } else {
        left.push_back(std::move(held));
      }
    }
    held_ = std::move(left);
    waiting_.store(!held_.empty(), std::memory_order_release);
    return taken;
  }

  // Forgets what is older than `limitMs`; gives how many.
  size_t expire(u64 nowMs, u64 limitMs) {
    const std::lock_guard<std::mutex> guard(mutex_);
    size_t count = 0;
    while (!held_.empty() && nowMs - held_.front().atMs >= limitMs) {
      octets_ -= held_.front().packet.size();
      held_.pop_front();
      count++;
    }
    waiting_.store(!held_.empty(), std::memory_order_release);
    return count;
  }

  bool waiting() const { return waiting_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;
  std::deque<Held> held_;
  size_t octets_ = 0;
  std::atomic<bool> waiting_{false};
};

}  // namespace sojourn
