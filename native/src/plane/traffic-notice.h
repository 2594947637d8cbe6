// Tells JavaScript once that an idle plane carries packets, so that it need not poll counters.
#pragma once
#include <atomic>

#include "tables/counters.h"

namespace sojourn {

class TrafficNotice {
 public:
  // From here on the next packet of any tunnel is worth one notice.
  void arm() { armed_.store(true, std::memory_order_relaxed); }

  // True for the one packet thread that has to give the notice.
  bool take() {
    return armed_.load(std::memory_order_relaxed) &&
           armed_.exchange(false, std::memory_order_relaxed);
  }

  // Changes when a packet came out of a tunnel, went into one, or was refused on its way into one.
  static u64 packets(const Counters& counters) {
    const auto value = [&](Counters::Name name) {
      return counters.values[name].load(std::memory_order_relaxed);
    };
    return value(Counters::transmitPackets) + value(Counters::receivePackets) +
           value(Counters::dropSendError);
  }

 private:
  // Relaxed: a packet thread that misses the flag gives the notice with the next packet.
  alignas(64) std::atomic<bool> armed_{false};
};

}  // namespace sojourn
