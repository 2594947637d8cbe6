// The switch of a relay: forwards datagrams in envelopes from one leg of a path to the other.
// Belongs to one packet thread.
#pragma once
#include <algorithm>

#include "plane/transmit/batch.h"

namespace sojourn {

// Datagrams of one receive call and one sender, of `segment` octets each, the last one maybe
// shorter.
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
        pathErrors_(pathErrors),
        slowPath_(shared, counters, sockets),
        batch4_(shared, counters, sockets.sealed[0], pathErrors, slowPath_),
        batch6_(shared, counters, sockets.sealed[1], pathErrors, slowPath_) {}

  // Forwards, or drops and counts, the first datagram of `train` and those behind it to the same
  // leg. Returns their octets; 0: the first datagram is not for a leg of this relay. The octets
  // must stay valid until flush().
  size_t take(const DatagramTrain& train, u64 nowMs) {
    if (train.length < kRelayEnvelope) return 0;
    if (datagramType(train.data) != DatagramType::envelope) return 0;
    const RelayLeg* leg = legs_.find(datagramIndex(train.data));
    return leg == nullptr ? 0 : takeFrom(*leg, train, nowMs);
  }
  void flush() {
    batch4_.flush();
    batch6_.flush();
  }

 private:
  size_t takeFrom(const RelayLeg& leg, const DatagramTrain& train, u64 nowMs);
  void drop(const RelayLeg& leg, RelayDrop reason, u64 count);
  void forward(const RelayLeg& to, const DatagramTrain& run, u64 nowMs);
  void send(const RelayLeg& to, const DatagramTrain& run, u64 nowMs);
  size_t pathMtu(const Tunnel& tunnel, size_t outer, u64 nowMs);
  UdpBatch& batchOf(const RelayLeg& leg) { return leg.tunnel.path.family == 6 ? batch6_ : batch4_; }

  const RelayLegs& legs_;
  Counters& counters_;
  PathErrors& pathErrors_;
  SlowPath slowPath_;
  UdpBatch batch4_;
  UdpBatch batch6_;
};

}  // namespace sojourn
