// The sealed port: any datagrams, and genuine ones that were truncated, changed, replayed and
// reordered, at a receiver with two keys.
#include <fcntl.h>

#include <set>

#include "plane/receive/receiver.h"
#include "octets.h"

using namespace sojourn;

namespace sojourn {
// Calls the entry that sockets normally feed.
struct ReceiverProbe {
  static void datagram(Receiver& receiver, u8* data, size_t length, const Arrival& arrival) {
    receiver.receiveSealed(data, length, arrival);
    receiver.finishBatch();
  }
};
}  // namespace sojourn

namespace {

constexpr u32 kSpi = 0x0abcdef;
constexpr size_t kInner = 44;

// Another key for each input, so that the windows are empty.
AeadKey keyOf(unsigned which, u32 serial) {
  AeadKey key;
  key.cipher = which == 0 ? Cipher::aes128Gcm : Cipher::chacha20Poly1305;
  store32(key.bytes, serial);
  return key;
}

Options options() {
  Options given;
  given.lookup = TunnelLookup::byInnerDestination;
  given.sealedPort = 7890;
  return given;
}

struct World {
  Shared shared{options(), [] {}};
  Counters counters;
  Receiver receiver{shared, counters, ::open("/dev/null", O_WRONLY), 0};
  u32 serial = 0;

  World() {
    for (u32 id = 1; id <= 2; id++) {
      TunnelSpec tunnel;
      tunnel.id = id;
      tunnel.protection = Protection::sealed;
      tunnel.mtu = 1400;
      tunnel.path.remote.bytes[0] = 198;
      tunnel.path.remotePort = 7890;
      shared.tables.tunnelSet(tunnel);
    }
    Address node;
    node.bytes[0] = 0x20;
    shared.tables.routeSet({{6, 8, node}, 1});
  }
  void rekey() {
    serial++;
    for (unsigned which = 0; which < 2; which++) {
      SealingKeysSpec associations;
      associations.tunnel = which + 1;
      associations.receive = {SealingKey{kSpi + which, keyOf(which, serial)}};
      shared.tables.sealingKeysSet(associations);
    }
  }
  u64 value(Counters::Name name) const { return counters.values[name].load(); }
};

// A genuine datagram with the counter that the fuzzer chose.
std::vector<u8> genuine(AeadContext& context, unsigned which, u64 counter, u8 first) {
  std::vector<u8> datagram(kSealedOverhead + kInner);
  store32(datagram.data(), u32{1} << 28 | (kSpi + which));
  store32(datagram.data() + 4, static_cast<u32>(counter));
  u8* inner = datagram.data() + kSealedHeader;
  inner[0] = 0x60;
  store16(inner + 4, kInner - kIpv6Header);
  inner[6] = kProtocolUdp;
  inner[8] = first;
  if (!context.seal(counter, datagram.data(), inner, kInner)) std::abort();
  return datagram;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, size_t size) {
  static World world;
  world.rekey();
  AeadContext contexts[2] = {{keyOf(0, world.serial), AeadContext::Direction::seal},
                             {keyOf(1, world.serial), AeadContext::Direction::seal}};
  std::set<u64> opened[2];
  fuzz::Octets octets(data, size);
  Arrival arrival{};
  arrival.from.port = 7890;
  arrival.from.encapsulation = kSealedUdp;
  for (int count = 0; count < 64 && !octets.empty(); count++) {
    const u8 kind = octets.next();
    const unsigned which = kind & 1;
    arrival.from.remote.bytes[0] = octets.next();
    std::vector<u8> datagram;
    const u64 counter = u64{octets.next16()} + 1;
    const bool touched = (kind & 6) != 0;
    if ((kind & 8) != 0) {
      datagram = octets.take(octets.next());
    } else {
      datagram = genuine(contexts[which], which, counter, (kind & 16) != 0 ? 0x20 : 0x30);
      if ((kind & 2) != 0) {
        datagram[octets.next() % datagram.size()] ^= static_cast<u8>(octets.next() | 1);
      }
      if ((kind & 4) != 0) datagram.resize(octets.next() % datagram.size());
    }
    if ((kind & 32) != 0) datagram.insert(datagram.begin(), {0xd0, 0, 0, 5});
    const u64 before = world.value(Counters::receivePackets) + world.value(Counters::dropPermit);
    ReceiverProbe::datagram(world.receiver, datagram.data(), datagram.size(), arrival);
    const u64 came =
        world.value(Counters::receivePackets) + world.value(Counters::dropPermit) - before;
    // Only packets sealed with the key are received, each once, and from tunnel 1 only those with
    // its inner source.
    if (came != 0) {
      fuzz::require((kind & 8) == 0 && !touched && opened[which].insert(counter).second);
    }
    fuzz::require(world.value(Counters::receiveWrites) <= world.value(Counters::receivePackets));
  }
  world.shared.punts.takeAll();
  return 0;
}
