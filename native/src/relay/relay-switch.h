// The switch role of a relay: datagrams in envelopes go on from one leg of a path to the other. One
// packet thread's.
#pragma once
#include <algorithm>

#include "plane/transmit/batch.h"

namespace sojourn {

// What one receive call brought from one place: datagrams of `segment` octets each, the last one
// maybe shorter.
struct DatagramTrain {
  u8* data;
  size_t length;
  size_t segment;
  const Endpoint::Key& from;
  u8 trafficClass;

  size_t sizeAt(size_t at) const { return std::min(segment, length - at); }
};

class RelaySwitch {
 public:
  RelaySwitch(Shared& shared, Counters& counters, const SendSockets& sockets,
              PathErrors& pathErrors)
      : legs_(shared.tables.relayLegs()),
        counters_(counters),
        slowPath_(counters, sockets),
        batch4_(shared, counters, sockets.sealed[0], pathErrors, slowPath_),
        batch6_(shared, counters, sockets.sealed[1], pathErrors, slowPath_) {}

  // Passes on the first datagram of `train` and what comes behind it to the same leg, or drops and
  // counts it; gives how many octets of the train that were. 0: the first datagram is not for a leg
  // of this relay. What was taken must stay until flush().
  size_t take(const DatagramTrain& train, u64 nowMs) {
    if (train.length < kEnvelope || train.data[0] >> 4 != static_cast<u8>(DatagramType::envelope)) {
      return 0;
    }
    const RelayLeg* leg = legs_.find(load32(train.data) & kSpiMask);
    return leg == nullptr ? 0 : takeFrom(*leg, train, nowMs);
  }
  void flush() {
    batch4_.flush();
    batch6_.flush();
  }

 private:
  size_t takeFrom(const RelayLeg& leg, const DatagramTrain& train, u64 nowMs);
  void drop(const RelayLeg& leg, RelayDrop reason, u64 count);
  void passOn(const RelayLeg& to, const DatagramTrain& run, u64 nowMs);
  void send(const RelayLeg& to, const DatagramTrain& run, u64 nowMs);
  UdpBatch& batchOf(const RelayLeg& leg) { return leg.way.family == 6 ? batch6_ : batch4_; }

  const RelayLegs& legs_;
  Counters& counters_;
  SlowPath slowPath_;
  UdpBatch batch4_;
  UdpBatch batch6_;
};

}  // namespace sojourn
