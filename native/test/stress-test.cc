// Threads read the tables as packet threads do, while others change them. Built by `make tsan`: the
// sanitizer reports a race or a freed node, the checks report a wrong answer.
#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "plane/hold-queue.h"
#include "plane/punt-queue.h"
#include "tables/counters.h"
#include "tables/tables.h"
#include "check.h"

using namespace sojourn;

namespace {

constexpr u32 kIds = 300;
constexpr int kWrites = 20000;

Address remoteOf(u32 id, u32 move) {
  Address address;
  store32(address.bytes, 0xc6330000u | id << 4 | (move & 15));
  return address;
}
Address prefixOf(u32 id) {
  Address address;
  store32(address.bytes, 0x20010db8);
  store32(address.bytes + 4, id);
  return address;
}

struct World {
  Tables tables{2};
  InwardHold hold;
  OutwardHold outward;
  PuntQueue punts{[] {}};
  Counters counters[2];
  std::atomic<bool> stop{false};
  std::atomic<u64> wrong{0};
  std::atomic<u64> opened{0};
  std::atomic<u64> forwarded{0};
};

// One of a few keys, so that their counters and windows are used again.
SealingKeysSpec sealingKeysOf(u32 id, int step) {
  SealingKeysSpec spec;
  spec.tunnel = id;
  SealingKey key;
  key.spi = id;
  store32(key.key.bytes, id << 2 | (static_cast<u32>(step) & 3));
  spec.send = key;
  spec.receive = {key};
  return spec;
}

// Two addresses, two rates; the other leg is the neighbour.
RelayLegSpec legOf(u32 id, u32 choice) {
  RelayLegSpec spec;
  spec.index = id;
  spec.other = id ^ 1;
  spec.path = {.remotePort = 7890, .remote = remoteOf(id, choice & 1)};
  spec.peer.validated = (choice & 2) != 0;
  spec.rateKilobits = 1000 + (choice & 4);
  return spec;
}

// A packet thread forwards a datagram of a leg.
void forwardDatagram(World& world, u32 id, u64 nowMs) {
  const RelayLeg* leg = world.tables.relayLegs().find(id);
  if (leg == nullptr) return;
  if ((load32(leg->tunnel.endpoint->identity.remote.bytes) >> 4 & 0xfff) != id ||
      leg->other != (id ^ 1)) {
    world.wrong++;
  }
  leg->tunnel.received(100);
  leg->state->counters.receivePackets.fetch_add(1, std::memory_order_relaxed);
  const RelayLeg* other = world.tables.relayLegs().find(leg->other);
  RelayDrop reason{};
  if (other == nullptr || !other->admits(100, nowMs, reason)) return;
  other->tunnel.counters->transmitPackets.fetch_add(1, std::memory_order_relaxed);
  world.forwarded.fetch_add(1, std::memory_order_relaxed);
}

// Two packet threads seal with one key and open the datagrams.
void sealAndOpen(World& world, unsigned slot, u32 id) {
  SendKey* sender = world.tables.sendKey(id);
  ReceiveKey* receiver = world.tables.receiveKey(id);
  if (sender == nullptr || receiver == nullptr) return;
  u8 datagram[kSealedOverhead + 32] = {};
  if (!sender->seal(slot, datagram, datagram + kSealedHeader, 32)) world.wrong++;
  const bool same = sender->contexts.key() == receiver->contexts.key();
  const OpenResult opened = receiver->open(slot, datagram, sizeof datagram);
  if (opened == OpenResult::packet && !same) world.wrong++;
  if (opened == OpenResult::packet &&
      receiver->open(slot, datagram, sizeof datagram) == OpenResult::packet) {
    world.wrong++;
  }
  if (opened == OpenResult::packet) world.opened.fetch_add(1, std::memory_order_relaxed);
}

void change(World& world, u32 seed) {
  std::mt19937 random(seed);
  for (int step = 0; step < kWrites; step++) {
    const u32 id = 1 + random() % kIds;
    TunnelSpec spec;
    spec.id = id;
    spec.mtu = 1400;
    spec.path = {.remotePort = 4191, .remote = remoteOf(id, random())};
    switch (random() % 12) {
      case 5:
        world.tables.sealingKeysSet(sealingKeysOf(id, step));
        break;
      case 6:
        world.tables.sealingKeysDelete(id);
        break;
      case 7:
        world.tables.overlaySet({{6, 48, prefixOf(id)}, prefixOf(id)});
        world.tables.routeSet({{6, 64, prefixOf(id)}, id, true});
        break;
      case 8:
        world.tables.overlayDelete({6, 48, prefixOf(id)});
        world.tables.routeDelete({{6, 64, prefixOf(id)}, id, true});
        break;
      case 9:
      case 10:
        world.tables.relayLegSet(legOf(id, random()));
        break;
      case 11:
        world.tables.relayLegDelete(id);
        break;
      case 0:
        world.tables.tunnelDelete(id);
        break;
      case 1:
        world.tables.routeDelete({{6, 64, prefixOf(id)}, id});
        break;
      case 2:
        world.tables.localAddressesSet({prefixOf(id)});
        break;
      case 3:
        world.tables.routeSet({{6, 64, prefixOf(id)}, id});
        break;
      default:
        world.tables.tunnelSet(spec);
        world.outward.take(
            [&](const HeldOutward& held) { return held.destination.bytes[15] == id % 4; });
        world.hold.take({.remote = spec.path.remote, .port = 4191});
    }
    if (step % 64 == 0) world.punts.takeAll();
  }
}

void forward(World& world, EpochDomain::Reader& reader, Counters& counters, u32 seed) {
  std::mt19937 random(seed);
  while (!world.stop.load(std::memory_order_relaxed)) {
    reader.online(world.tables.domain());
    for (int packet = 0; packet < 64; packet++) {
      const u32 id = 1 + random() % kIds;
      forwardDatagram(world, id, random() % 1000);
      const Routes& routes = world.tables.routes();
      const u32 peer = routes.peer(6, prefixOf(id).bytes);
      if ((peer != 0 && peer != id) ||
          (routes.isOwn(6, prefixOf(id).bytes) && prefixOf(id) == Address{})) {
        world.wrong++;
      }
      routes.isPeerTunnel(id);
      const u32 found = peer != 0 ? peer : world.tables.route(6, prefixOf(id).bytes);
      if (found != 0 && found != id) world.wrong++;
      const Tunnel* tunnel = found == 0 ? nullptr : world.tables.tunnel(found);
      if (tunnel == nullptr) continue;
      // The work for a packet: compare the endpoint, read the MTU, count.
      if ((load32(tunnel->path.remote.bytes) >> 4 & 0xfff) != id || tunnel->effectiveMtu() == 0) {
        world.wrong++;
      }
      tunnel->counters->receivePackets.fetch_add(1, std::memory_order_relaxed);
      counters.add(Counters::receivePackets);
      world.tables.endpoint(tunnel->endpoint->identity);
      world.tables.isLocal(6, prefixOf(id).bytes);
      if (packet % 8 == 0) sealAndOpen(world, seed, id);
    }
    const u8 octet = 1;
    const Endpoint::Key from{.remote = remoteOf(1 + random() % kIds, random()), .port = 4191};
    world.hold.push(from, random(), 0, &octet, 1, random() % 100);
    world.hold.expire(random() % 100, 50);
    u8 header[40] = {0x60};
    header[39] = static_cast<u8>(random() % 4);
    PacketView view;
    if (viewPacket(header, sizeof header, view)) world.outward.push(view, {}, random() % 100);
    world.outward.expire(random() % 100, 50);
    world.punts.push({PacketPath{}, {1}}, Acquaintance::stranger,
                     SourcePrefixes::ofSender(0, random() % 100));
    reader.offline();
    // On few cores, a reader that never yields would delay the writers and so the end of the test.
    std::this_thread::yield();
  }
}

}  // namespace

TEST(readers_and_writers_run_concurrently) {
  auto world = std::make_unique<World>();
  std::vector<std::thread> readers;
  for (u32 index = 0; index < 2; index++) {
    EpochDomain::Reader& reader = world->tables.domain().addReader();
    readers.emplace_back(
        [&world, &reader, index] { forward(*world, reader, world->counters[index], index); });
  }
  std::thread second([&world] { change(*world, 100); });
  change(*world, 200);
  second.join();
  u64 sum = 0;
  for (const Counters& counters : world->counters) {
    sum += counters.values[Counters::receivePackets].load(std::memory_order_relaxed);
  }
  world->stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK_EQUAL(world->wrong.load(), 0u);
  CHECK(sum > 0);
  CHECK(world->opened.load() > 0);
  CHECK(world->forwarded.load() > 0);
}
