// ESP in UDP and behind an IPv6 header: any datagrams and packets, and genuine ones that were
// truncated, changed, replayed and reordered, at a receiver with one tunnel for each algorithm.
#include <fcntl.h>

#include <set>

#include "plane/receive/receiver.h"
#include "octets.h"

using namespace sojourn;

namespace sojourn {
// Calls the entries that sockets normally feed.
struct ReceiverProbe {
  static void datagram(Receiver& receiver, u8* data, size_t length, const Arrival& arrival) {
    receiver.receiveEspDatagram(data, length, arrival);
    receiver.finishBatch();
  }
  static void frame(Receiver& receiver, u8* data, size_t length) {
    receiver.receiveFrame(data, length, 0);
    receiver.finishBatch();
  }
};
}  // namespace sojourn

namespace {

constexpr u32 kSpi = 0x0abcdef;
constexpr size_t kInner = 44;
constexpr unsigned kTunnels = 3;

// Another key for each input, so that the windows are empty.
EspKey keyOf(unsigned which, u32 serial) {
  EspKey key;
  key.algorithm = kEspProtections[which];
  const size_t cipher = key.algorithm == Protection::espNull ? 0 : 16;
  key.length = static_cast<u8>(cipher + key.otherOctets());
  store32(key.bytes, serial);
  return key;
}

Options options() {
  Options given;
  given.lookup = TunnelLookup::byInnerDestination;
  given.espPort = 4500;
  return given;
}

struct World {
  Shared shared{options(), [] {}};
  Counters counters;
  Receiver receiver{shared, counters, ::open("/dev/null", O_WRONLY), 0};
  u32 serial = 0;

  World() {
    for (unsigned which = 0; which < kTunnels; which++) {
      TunnelSpec tunnel;
      tunnel.id = which + 1;
      tunnel.protection = kEspProtections[which];
      tunnel.mtu = 1400;
      tunnel.path.remote.bytes[0] = 198;
      tunnel.path.remotePort = 4500;
      shared.tables.tunnelSet(tunnel);
    }
    Address node;
    node.bytes[0] = 0x20;
    shared.tables.routeSet({{6, 8, node}, 1});
  }
  void rekey() {
    serial++;
    for (unsigned which = 0; which < kTunnels; which++) {
      EspKeysSpec spec;
      spec.tunnel = which + 1;
      spec.receive = {.spi = kSpi + which, .key = keyOf(which, serial), .after = 0};
      shared.tables.espKeysSet(spec);
    }
  }
  u64 value(Counters::Name name) const { return counters.values[name].load(); }
};

// A genuine packet with the sequence number that the fuzzer chose.
std::vector<u8> genuine(unsigned which, u32 serial, u64 sequence, u8 first) {
  const EspKey key = keyOf(which, serial);
  EspSendKey sender{1, kSpi + which, 1, EspCiphers(key, EspCipher::Direction::seal, 1),
                    std::make_shared<EspCounter>()};
  sender.counter->lease(sequence, sequence);
  std::vector<u8> packet(protectedLength(key.algorithm, kInner));
  u8* inner = packet.data() + sender.espOffset();
  inner[0] = 0x60;
  store16(inner + 4, kInner - kIpv6Header);
  inner[6] = kProtocolUdp;
  inner[8] = first;
  if (sender.seal(0, packet.data(), kInner, kProtocolIpv6) == 0) std::abort();
  return packet;
}

// Behind a virtio header and an IPv6 header.
std::vector<u8> frameOf(const std::vector<u8>& packet) {
  std::vector<u8> frame(sizeof(VirtioHeader) + kIpv6Header);
  u8* outer = frame.data() + sizeof(VirtioHeader);
  outer[0] = 0x60;
  store16(outer + 4, static_cast<u32>(packet.size()));
  outer[6] = kProtocolEsp;
  outer[8] = 0x30;
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  static World world;
  world.rekey();
  std::set<u64> opened[kTunnels];
  fuzz::Octets octets(data, size);
  Arrival arrival{};
  arrival.from.port = 4500;
  arrival.from.encapsulation = kEspUdp;
  for (int count = 0; count < 64 && !octets.empty(); count++) {
    const u8 kind = octets.next();
    const unsigned which = octets.next() % kTunnels;
    arrival.from.remote.bytes[0] = octets.next();
    std::vector<u8> packet;
    const u64 sequence = u64{octets.next16()} + 1;
    const bool touched = (kind & 6) != 0;
    if ((kind & 8) != 0) {
      packet = octets.take(octets.next());
    } else {
      packet = genuine(which, world.serial, sequence, (kind & 16) != 0 ? 0x20 : 0x30);
      if ((kind & 2) != 0) {
        packet[octets.next() % packet.size()] ^= static_cast<u8>(octets.next() | 1);
      }
      if ((kind & 4) != 0) packet.resize(octets.next() % packet.size());
    }
    const u64 before = world.value(Counters::receivePackets) + world.value(Counters::dropPermit);
    if ((kind & 32) != 0) {
      std::vector<u8> frame = frameOf(packet);
      ReceiverProbe::frame(world.receiver, frame.data(), frame.size());
    } else {
      ReceiverProbe::datagram(world.receiver, packet.data(), packet.size(), arrival);
    }
    const u64 came =
        world.value(Counters::receivePackets) + world.value(Counters::dropPermit) - before;
    // Only packets sealed with the key are received, each once, and from tunnel 1 only those with
    // its inner source.
    if (came != 0) {
      fuzz::require((kind & 8) == 0 && !touched && opened[which].insert(sequence).second);
    }
    fuzz::require(world.value(Counters::receiveWrites) <= world.value(Counters::receivePackets));
  }
  world.shared.punts.takeAll();
  return 0;
}
