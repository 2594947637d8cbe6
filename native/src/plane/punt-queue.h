// Punts: control packets that packet threads hand to JavaScript. A bounded queue that packet
// threads fill and JavaScript's thread empties.
#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

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

class PuntQueue {
 public:
  static constexpr size_t kMaximumPackets = 8192;

  // Packet threads call `wake`, at most once until the next take().
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
