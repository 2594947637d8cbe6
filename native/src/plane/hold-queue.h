// Packets that come before the tunnel they belong to is known, kept for a moment; bounded in
// number, octets and time.
#pragma once
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "net/packet.h"
#include "net/virtio.h"
#include "tables/tables.h"

namespace sojourn {

// Held needs `atMs` and `packet`.
template <class Held>
class HeldPackets {
 public:
  static constexpr size_t kMaximumPackets = 512;
  static constexpr size_t kMaximumOctets = 1 << 20;

  // False when it is full, or of those that are `like` it `most` are there already.
  template <class Like>
  bool push(Held&& held, size_t most, Like like) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (held_.size() >= kMaximumPackets || octets_ + held.packet.size() > kMaximumOctets) {
      return false;
    }
    size_t alike = 0;
    for (size_t index = 0; most < kMaximumPackets && index < held_.size(); index++) {
      alike += like(held_[index]) ? 1u : 0u;
    }
    if (alike >= most) return false;
    octets_ += held.packet.size();
    held_.push_back(std::move(held));
    waiting_.store(true);
    return true;
  }

  // Takes out, in order, those that `wanted` says yes to.
  template <class Wanted>
  std::vector<Held> take(Wanted wanted) {
    std::vector<Held> taken;
    if (!waiting()) return taken;
    const std::lock_guard<std::mutex> guard(mutex_);
    std::deque<Held> left;
    for (Held& held : held_) {
      if (wanted(held)) {
        octets_ -= held.packet.size();
        taken.push_back(std::move(held));
      } else {
        left.push_back(std::move(held));
      }
    }
    held_ = std::move(left);
    waiting_.store(!held_.empty());
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
    waiting_.store(!held_.empty());
    return count;
  }

  // Sequentially consistent, as the tables are: who changed them and then sees nobody waiting was
  // seen by who pushed and then looked again.
  bool waiting() const { return waiting_.load(); }

 private:
  std::mutex mutex_;
  std::deque<Held> held_;
  size_t octets_ = 0;
  std::atomic<bool> waiting_{false};
};

// From an endpoint that no tunnel names yet: a mobile node sends data right behind its Binding
// Update, and the plane is faster than the home agent's answer to it. They are judged again once
// the tunnel is set.
struct HeldInward {
  Endpoint::Key from;
  u8 trafficClass;
  u64 atMs;
  std::vector<u8> packet;
};

class HoldQueue : public HeldPackets<HeldInward> {
 public:
  using Held = HeldInward;

  bool push(const Endpoint::Key& from, u8 trafficClass, const u8* packet, size_t length,
            u64 nowMs) {
    const auto none = [](const Held&) { return false; };
    return HeldPackets::push({from, trafficClass, nowMs, std::vector<u8>(packet, packet + length)},
                             kMaximumPackets, none);
  }
  std::vector<Held> take(const Endpoint::Key& from) {
    return HeldPackets::take([&](const Held& held) { return held.from == from; });
  }
};

// From the TUN, for a virtual address whose tunnel is being built: an application sends as soon as
// it has the name's address. As they came, super-packets with what the device left undone, behind
// `kRoom` octets.
struct HeldOutward {
  static constexpr size_t kRoom = 64;

  u8 family;
  Address destination;
  VirtioHeader virtio;
  u64 atMs;
  std::vector<u8> packet;
};

class OutwardHold : public HeldPackets<HeldOutward> {
 public:
  using Held = HeldOutward;
  // What a connection's first second, or a few lookups by UDP, bring.
  static constexpr size_t kForDestination = 8;
  // By then TCP sends its SYN again (RFC 6298 §2.1).
  static constexpr u64 kLimitMs = 1000;

  bool push(const PacketView& view, const VirtioHeader& virtio, u64 nowMs) {
    const Address destination = Address::of(view.family, view.destination());
    Held held{view.family, destination, virtio, nowMs, std::vector<u8>(Held::kRoom + view.length)};
    std::memcpy(held.packet.data() + Held::kRoom, view.data, view.length);
    const auto sameDestination = [&](const Held& other) {
      return other.family == view.family && other.destination == destination;
    };
    return HeldPackets::push(std::move(held), kForDestination, sameDestination);
  }
};

}  // namespace sojourn
