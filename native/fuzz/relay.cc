// Datagrams of the sealed port at a relay, in runs as UDP_GRO delivers them, compared with a simple
// model. There are no sockets, so each forwarded datagram ends as a send error.
#include <fcntl.h>

#include "plane/receive/receiver.h"
#include "octets.h"

using namespace sojourn;

namespace sojourn {
// Calls the entry that sockets normally feed.
struct ReceiverProbe {
  static void datagrams(Receiver& receiver, u8* data, size_t length, size_t segment,
                        const Arrival& arrival) {
    receiver.receiveDatagrams(data, length, segment, arrival);
    receiver.finishBatch();
  }
};
}  // namespace sojourn

namespace {

constexpr u32 kLegs = 6;

Options options() {
  Options given;
  given.sealedPort = 7890;
  return given;
}

struct World {
  Shared shared{options(), [] {}};
  Counters counters;
  Receiver receiver{shared, counters, ::open("/dev/null", O_WRONLY), 0};

  // Legs 1 and 2, and 3 and 4, form paths. Leg 5 has no other leg; that of leg 6 does not exist.
  // Leg 4 is not validated.
  void legs() {
    for (u32 index = 1; index <= kLegs; index++) {
      RelayLegSpec spec;
      spec.index = index;
      spec.other = index < 5 ? ((index - 1) ^ 1) + 1 : index == 5 ? 0 : 99;
      spec.path.family = index % 2 == 0 ? 6 : 4;
      spec.path.remote.bytes[0] = static_cast<u8>(index);
      spec.path.remotePort = 7890;
      spec.peer.validated = index != 4;
      spec.rateKilobits = 4'000'000;
      shared.tables.relayLegDelete(index);
      shared.tables.relayLegSet(spec);
    }
  }
  u64 value(Counters::Name name) const { return counters.values[name].load(); }
};

struct Model {
  u64 passed = 0;
  u64 drops[static_cast<size_t>(RelayDrop::kCount)] = {};
  u64 received[kLegs + 1] = {};
  u64 sentTo4 = 0;
  bool forLeg = false;

  void take(const std::vector<u8>& datagram, u32 from) {
    const u32 word = datagram.size() < 4 ? 0 : load32(datagram.data());
    const u32 index = word & kSpiMask;
    forLeg = word >> 28 == 13 && index >= 1 && index <= kLegs;
    if (!forLeg) return;
    const u8 type = datagram.size() < 8 ? u8{0} : static_cast<u8>(datagram[4] >> 4);
    if (index != from) {
      drop(RelayDrop::source);
      return;
    }
    received[index] += datagram.size();
    if (type != 1 && (type < 9 || type > 12)) {
      drop(RelayDrop::type);
    } else if (index >= 5) {
      drop(RelayDrop::alone);
    } else if (index == 3 && sentTo4 + datagram.size() > 3 * received[4]) {
      drop(RelayDrop::unvalidated);
    } else {
      passed++;
      if (index == 3) sentTo4 += datagram.size();
    }
  }
  void drop(RelayDrop reason) { drops[static_cast<size_t>(reason)]++; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  static World world;
  world.legs();
  fuzz::Octets octets(data, size);
  Model expected;
  const u64 sendErrors = world.value(Counters::dropSendError);
  u64 before[static_cast<size_t>(RelayDrop::kCount)];
  for (size_t reason = 0; reason < std::size(before); reason++) {
    before[reason] = world.value(kRelayDropCounters[reason]);
  }
  u64 octetsOfAll = 0;
  while (!octets.empty() && octetsOfAll < OctetRateLimit::kBurstOctets) {
    const u32 from = octets.next() % 8;
    Arrival arrival{};
    arrival.from.port = 7890;
    arrival.from.family = from % 2 == 0 ? 6 : 4;
    arrival.from.encapsulation = kSealedUdp;
    arrival.from.remote.bytes[0] = static_cast<u8>(from);
    const size_t segment = 1 + octets.next() % 64;
    std::vector<u8> train;
    for (int count = octets.next() % 32; count >= 0; count--) {
      std::vector<u8> one(segment, 0x5a);
      const u8 kind = octets.next();
      if ((kind & 0x80) != 0) {
        one = octets.take(segment);
        one.resize(segment);
      } else if (segment >= 5) {
        store32(one.data(), u32{13} << 28 | (kind >> 4));
        one[4] = static_cast<u8>(kind << 4);
      }
      if (count == 0) one.resize(1 + octets.next() % segment);
      expected.take(one, from);
      train.insert(train.end(), one.begin(), one.end());
    }
    octetsOfAll += train.size();
    train.shrink_to_fit();
    ReceiverProbe::datagrams(world.receiver, train.data(), train.size(), segment, arrival);
  }
  for (size_t reason = 0; reason < std::size(before); reason++) {
    fuzz::require(world.value(kRelayDropCounters[reason]) - before[reason] ==
                  expected.drops[reason]);
  }
  fuzz::require(world.value(Counters::dropSendError) - sendErrors == expected.passed);
  for (u32 index = 1; index <= kLegs; index++) {
    const RelayLegState& state = *world.shared.tables.relayLegs().find(index)->state;
    fuzz::require(state.counters.receiveOctets.load() == expected.received[index]);
  }
  world.shared.punts.takeAll();
  return 0;
}
