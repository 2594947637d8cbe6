// Packets whose tunnel is not known yet, held for a moment. Bounded in number, octets and time.
#pragma once
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "net/packet.h"
#include "net/virtio.h"
#include "tables/endpoint.h"
#include "tables/prefix-table.h"

namespace sojourn {

// Held has `atMs` and `packet`.
template <class Held>
class HoldQueue {
 public:
  static constexpr size_t kMaximumPackets = 512;
  static constexpr size_t kMaximumOctets = 1 << 20;

  struct Share {
    size_t packets = 0;
    size_t octets = 0;
  };

  // False if the queue is full, or the packets for which `like` is true have their share of it.
  template <class Like>
  bool push(Held&& held, const Share& share, Like like) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const size_t octets = held.packet.size();
    if (held_.size() >= kMaximumPackets || octets_ + octets > kMaximumOctets) return false;
    const Share used = shareOf(like);
    if (used.packets >= share.packets || used.octets + octets > share.octets) return false;
    octets_ += held.packet.size();
    held_.push_back(std::move(held));
    waiting_.store(true);
    return true;
  }

  // Takes out, in order, the packets for which `chosen` is true.
  template <class Chosen>
  std::vector<Held> take(Chosen chosen) {
    std::vector<Held> taken;
    if (!waiting()) return taken;
    const std::lock_guard<std::mutex> guard(mutex_);
    std::deque<Held> left;
    for (Held& held : held_) {
      if (chosen(held)) {
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

  // Drops packets that were held for `limitMs`; returns their number.
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

  // Sequentially consistent, as the tables are: a writer of the tables that sees no waiting packet
  // is guaranteed to be seen by the thread that pushes one and then looks at the tables again.
  bool waiting() const { return waiting_.load(); }

 private:
  template <class Like>
  Share shareOf(Like like) const {
    Share used;
    for (const Held& held : held_) {
      if (!like(held)) continue;
      used.packets++;
      used.octets += held.packet.size();
    }
    return used;
  }

  std::mutex mutex_;
  std::deque<Held> held_;
  size_t octets_ = 0;
  std::atomic<bool> waiting_{false};
};

// A packet from an endpoint that no tunnel has yet: a mobile node sends data right behind its
// Binding Update, and the plane is faster than the home agent. It is checked again once the tunnel
// is set.
struct HeldInward {
  Endpoint::Key from;
  // The tunnel of its inner source, and the network of its outer source: IPv4 /24, IPv6 /48.
  u32 tunnel;
  Address network;
  u8 trafficClass;
  u64 atMs;
  std::vector<u8> packet;
};

class InwardHold : public HoldQueue<HeldInward> {
 public:
  using Held = HeldInward;
  // Anybody can send such a packet: one network, or all that claim to be one node, leave the rest
  // of the queue to others.
  static constexpr Share kForSource{.packets = kMaximumPackets / 4, .octets = kMaximumOctets / 4};

  bool push(const Endpoint::Key& from, u32 tunnel, u8 trafficClass, const u8* packet,
            size_t length, u64 nowMs) {
    const Address network = masked(from.remote, from.family == 6 ? 48 : 24);
    const auto sameSource = [&](const Held& other) {
      return other.tunnel == tunnel ||
             (other.from.family == from.family && other.network == network);
    };
    Held held{.from = from,
              .tunnel = tunnel,
              .network = network,
              .trafficClass = trafficClass,
              .atMs = nowMs,
              .packet = std::vector<u8>(packet, packet + length)};
    return HoldQueue::push(std::move(held), kForSource, sameSource);
  }
  std::vector<Held> take(const Endpoint::Key& from) {
    return HoldQueue::take([&](const Held& held) { return held.from == from; });
  }
};

// A packet from the TUN for a virtual address whose tunnel is being built: an application sends as
// soon as the name has resolved. It is kept as it was read, a super-packet with its offloads,
// behind kRoom octets.
struct HeldOutward {
  static constexpr size_t kRoom = 64;

  u8 family;
  Address destination;
  VirtioHeader virtio;
  u64 atMs;
  std::vector<u8> packet;

  u8* data() { return packet.data() + kRoom; }
  size_t length() const { return packet.size() - kRoom; }
};

class OutwardHold : public HoldQueue<HeldOutward> {
 public:
  using Held = HeldOutward;
  // Enough for the first second of a connection, or for a few lookups by UDP.
  static constexpr size_t kForDestination = 8;
  // After this time TCP retransmits its SYN (RFC 6298 §2.1).
  static constexpr u64 kLimitMs = 1000;

  bool push(const PacketView& view, const VirtioHeader& virtio, u64 nowMs) {
    const Address destination = Address::of(view.family, view.destination());
    Held held{.family = view.family,
              .destination = destination,
              .virtio = virtio,
              .atMs = nowMs,
              .packet = std::vector<u8>(Held::kRoom + view.length)};
    std::memcpy(held.data(), view.data, view.length);
    const auto sameDestination = [&](const Held& other) {
      return other.family == view.family && other.destination == destination;
    };
    return HoldQueue::push(std::move(held),
                           {.packets = kForDestination, .octets = kMaximumOctets},
                           sameDestination);
  }
};

}  // namespace sojourn
