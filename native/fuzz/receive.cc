// Decapsulation and ingress permit: any datagram or frame at a receiver with one mobile node, whose
// TUN is /dev/null.
#include <fcntl.h>

#include "plane/receive/receiver.h"
#include "octets.h"

using namespace sojourn;

namespace sojourn {
// Calls the two entries that sockets normally feed.
struct ReceiverProbe {
  static void datagram(Receiver& receiver, u8* data, size_t length, const Arrival& arrival) {
    receiver.receiveInner(data, length, arrival);
    receiver.finishBatch();
  }
  static void frame(Receiver& receiver, u8* data, size_t length, size_t linkHeader) {
    receiver.receiveFrame(data, length, linkHeader);
    receiver.finishBatch();
  }
};
}  // namespace sojourn

namespace {

Options options() {
  Options given;
  given.lookup = TunnelLookup::byInnerDestination;
  return given;
}

struct World {
  Shared shared{options(), [] {}};
  Counters counters;
  Receiver receiver;
  Address node;

  World() : receiver(shared, counters, ::open("/dev/null", O_WRONLY), 0) {
    TunnelSpec spec;
    spec.id = 1;
    spec.mtu = 1460;
    spec.path.remote.bytes[0] = 198;
    spec.path.remotePort = 4191;
    shared.tables.tunnelSet(spec);
    spec.id = 2;
    spec.path.carrier = Carrier::ip;
    spec.path.family = 6;
    spec.path.remotePort = 0;
    shared.tables.tunnelSet(spec);
    shared.tables.espSpiSet(0x1001);
    node.bytes[0] = 0x20;
    shared.tables.routeSet({{6, 8, node}, 1});
    shared.tables.routeSet({{4, 8, node}, 2});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  static World world;
  fuzz::Octets octets(data, size);
  const u8 kind = octets.next();
  Arrival arrival{};
  arrival.from.port = 4191;
  arrival.from.remote.bytes[0] = (kind & 2) != 0 ? 198 : 203;
  arrival.trafficClass = octets.next();
  std::vector<u8> bytes = octets.rest();
  if ((kind & 1) != 0) {
    ReceiverProbe::datagram(world.receiver, bytes.data(), bytes.size(), arrival);
  } else {
    ReceiverProbe::frame(world.receiver, bytes.data(), bytes.size(), (kind & 4) != 0 ? 14 : 0);
  }
  const u64 written = world.counters.values[Counters::receiveWrites].load();
  // Only permitted packets reach the TUN.
  fuzz::require(written <= world.counters.values[Counters::receivePackets].load());
  world.shared.punts.takeAll();
  world.shared.inwardHold.expire(1000, 1);
  return 0;
}
