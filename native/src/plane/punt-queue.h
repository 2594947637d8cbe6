// Punts: control packets that packet threads hand to JavaScript. A bounded queue that packet
// threads fill and JavaScript's thread empties. Their senders are not authenticated yet, so the
// queue is fair to the sources.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control/fair-queue.h"

namespace sojourn {

enum class PathKind : u8 {
  ipv6,      // IPv6 on a link, by its own addresses
  udp,       // UDP of RFC 5555
  tunnel,    // out of a tunnel, or into one
  link,      // a frame of a link device
  datagram,  // a datagram of the sealed port
  roaming,   // no packet: sealed packets of `tunnel` came from this address
  traffic,   // no packet: tunnels carry packets again
  unknown,   // no packet: data came from an endpoint without a tunnel
};

// How a control packet reached this host, or how it is to be sent.
struct PacketPath {
  PathKind kind = PathKind::ipv6;
  u8 family = 4;
  u16 localPort = 0;
  u16 remotePort = 0;
  Address local;
  Address remote;
  u32 tunnel = 0;
  u32 relayIndex = 0;
  // Of an unknown endpoint: how the packet was carried, and its own source.
  bool udp = false;
  u8 innerFamily = 0;
  Address innerSource;
  bool arp = false;
  u8 linkAddress[6] = {};
  std::string device;
};

struct ControlPacket {
  PacketPath path;
  std::vector<u8> packet;
};

// What is known about the sender of a punt before JavaScript sees it.
enum class Acquaintance : u8 {
  link,      // on a link of this host: neighbour and router discovery
  known,     // the far end of a tunnel, or a peer that this host has spoken to
  stranger,  // anybody
};

// Classes by acquaintance, each with its own room, so that a flood in one takes nothing from the
// others. Within a class the sources share by prefix.
class PuntQueue {
 public:
  // What the queue holds at most, in octets.
  static constexpr size_t kCapacity[3] = {512 << 10, 4 << 20, 4 << 20};

  // Packet threads call `wake`, at most once until a take() that empties the queue.
  explicit PuntQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // False: the queue is full for this sender.
  bool push(ControlPacket&& packet, Acquaintance sender, const SourcePrefixes& source) {
    bool wake;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      const size_t cost = kOverhead + packet.packet.size();
      if (!classes_[static_cast<size_t>(sender)].push(source, cost, std::move(packet))) {
        return false;
      }
      wake = !awake_;
      awake_ = true;
    }
    if (wake) wake_();
    return true;
  }

  // At most `limit` packets. `more`: there are others, without another wake-up.
  std::vector<ControlPacket> take(size_t limit, bool& more) {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::vector<ControlPacket> taken;
    taken.reserve(std::min(limit, size()));
    for (more = true; more && taken.size() < limit;) {
      more = false;
      for (size_t at = 0; at < 3; at++) more = takeFrom(at, limit, taken) || more;
    }
    awake_ = more;
    return taken;
  }
  std::vector<ControlPacket> takeAll() {
    bool more;
    return take(SIZE_MAX, more);
  }

 private:
  // Of the objects around a packet.
  static constexpr size_t kOverhead = 512;
  // Of each round of service.
  static constexpr size_t kService[3] = {4, 8, 2};

  size_t size() const {
    return classes_[0].size() + classes_[1].size() + classes_[2].size();
  }
  // True if there are more in the class.
  bool takeFrom(size_t at, size_t limit, std::vector<ControlPacket>& taken) {
    for (size_t count = 0; count < kService[at] && taken.size() < limit; count++) {
      std::optional<ControlPacket> packet = classes_[at].pop();
      if (!packet) return false;
      taken.push_back(std::move(*packet));
    }
    return classes_[at].size() > 0;
  }

  std::function<void()> wake_;
  std::mutex mutex_;
  bool awake_ = false;
  FairQueue<ControlPacket> classes_[3] = {FairQueue<ControlPacket>(kCapacity[0]),
                                          FairQueue<ControlPacket>(kCapacity[1]),
                                          FairQueue<ControlPacket>(kCapacity[2])};
};

}  // namespace sojourn
