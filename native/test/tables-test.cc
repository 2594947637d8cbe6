#include <malloc.h>

#include <chrono>
#include <map>
#include <memory>
#include <random>

#include "plane/hold-queue.h"
#include "plane/punt-queue.h"
#include "tables/tables.h"
#include "check.h"

using namespace sojourn;

namespace {

Address six(u32 high, u32 low) {
  Address address;
  store32(address.bytes, 0x20010db8);
  store32(address.bytes + 4, high);
  store32(address.bytes + 12, low);
  return address;
}
Address four(u32 value) {
  Address address;
  store32(address.bytes, value);
  return address;
}
TunnelSpec tunnel(u32 id, const Address& remote) {
  TunnelSpec spec;
  spec.id = id;
  spec.mtu = 1460;
  spec.path = {.remotePort = 4191, .remote = remote};
  return spec;
}

}  // namespace

TEST(longest_prefix_wins) {
  auto tables = std::make_unique<Tables>();
  tables->routeSet({{6, 32, six(0, 0)}, 1});
  tables->routeSet({{6, 64, six(5, 0)}, 2});
  tables->routeSet({{6, 128, six(5, 9)}, 3});
  tables->routeSet({{4, 0, four(0)}, 4});
  tables->routeSet({{4, 24, four(0xc0000200)}, 5});
  CHECK_EQUAL(tables->route(6, six(5, 9).bytes), 3u);
  CHECK_EQUAL(tables->route(6, six(5, 8).bytes), 2u);
  CHECK_EQUAL(tables->route(6, six(6, 8).bytes), 1u);
  CHECK_EQUAL(tables->route(4, four(0xc0000207).bytes), 5u);
  CHECK_EQUAL(tables->route(4, four(0xc6336407).bytes), 4u);
  tables->routeDelete({{6, 128, six(5, 9)}, 7});
  CHECK_EQUAL(tables->route(6, six(5, 9).bytes), 3u);
  tables->routeDelete({{6, 128, six(5, 9)}, 3});
  CHECK_EQUAL(tables->route(6, six(5, 9).bytes), 2u);
}

TEST(prefix_ignores_bits_behind_its_length) {
  auto tables = std::make_unique<Tables>();
  for (unsigned length = 0; length <= 128; length++) {
    Address ones;
    std::memset(ones.bytes, 0xff, 16);
    tables->routeSet({{6, length, ones}, 9});
    Address other = ones;
    if (length < 128) {
      other.bytes[length / 8] = static_cast<u8>(other.bytes[length / 8] ^ (0x80 >> (length % 8)));
    }
    CHECK_EQUAL(tables->route(6, other.bytes), 9u);
    tables->routeDelete({{6, length, other}, 9});
    CHECK_EQUAL(tables->route(6, ones.bytes), 0u);
  }
}

TEST(move_keeps_the_counters_and_changes_the_endpoint) {
  auto tables = std::make_unique<Tables>();
  tables->tunnelSet(tunnel(1, four(1)));
  tables->tunnel(1)->counters->receivePackets = 5;
  tables->tunnelSet(tunnel(1, four(2)));
  CHECK_EQUAL(tables->tunnel(1)->counters->receivePackets.load(), 5u);
  CHECK(tables->endpoint({.remote = four(1), .port = 4191}) == nullptr);
  CHECK(tables->endpoint({.remote = four(2), .port = 4191}) != nullptr);
  tables->tunnelSet(tunnel(2, four(2)));
  tables->tunnelDelete(1);
  CHECK(tables->tunnel(1) == nullptr);
  CHECK(tables->endpoint({.remote = four(2), .port = 4191}) != nullptr);
  tables->tunnelDelete(2);
  CHECK(tables->endpoint({.remote = four(2), .port = 4191}) == nullptr);
}

TEST(path_mtu_lowers_the_tunnel_mtu) {
  auto tables = std::make_unique<Tables>();
  tables->tunnelSet(tunnel(1, four(1)));
  tables->tunnel(1)->endpoint->limits.setLearnt(1400);
  CHECK_EQUAL(tables->tunnel(1)->effectiveMtu(), 1372u);
  tables->tunnel(1)->endpoint->limits.setLearnt(9000);
  CHECK_EQUAL(tables->tunnel(1)->effectiveMtu(), 1460u);
}

TEST(routes_agree_with_a_map) {
  auto tables = std::make_unique<Tables>();
  std::map<u32, u32> model;
  std::mt19937 random(42);
  for (int step = 0; step < 200000; step++) {
    const u32 key = random() % 5000;
    const auto present = model.find(key);
    if (random() % 3 != 0) {
      model[key] = step + 1;
      tables->routeSet({{6, 128, six(1, key)}, static_cast<u32>(step + 1)});
    } else if (present != model.end()) {
      tables->routeDelete({{6, 128, six(1, key)}, present->second});
      model.erase(present);
    }
    const u32 probe = random() % 5000;
    const auto expected = model.find(probe);
    CHECK_EQUAL(tables->route(6, six(1, probe).bytes),
                expected == model.end() ? 0 : expected->second);
  }
}

// The sanitizers have their own allocator, so the exact check is in `make core-cost`.
TEST(cost_of_a_million_tunnels_is_at_most_210_octets_each) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr u32 kCount = 50'000;
#else
  constexpr u32 kCount = 1'000'000;
#endif
  auto tables = std::make_unique<Tables>();
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  for (u32 id = 1; id <= kCount; id++) tables->tunnelSet(tunnel(id, four(id * 7)));
  const size_t octets = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / kCount;
  for (u32 id = 1; id <= kCount; id++) tables->routeSet({{6, 128, six(id, 1)}, id});
  const auto start = std::chrono::steady_clock::now();
  u32 found = 0;
  for (u32 id = 1; id <= kCount; id++) found += tables->route(6, six(id, 1).bytes) == id;
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  CHECK_EQUAL(found, kCount);
#if !defined(__SANITIZE_ADDRESS__)
  std::printf("%u tunnels: %zu octets each; lookup %.0f ns\n", kCount, octets,
              took.count() / kCount);
  CHECK(octets <= 210);
#else
  CHECK(octets < 1000 && took.count() > 0);
#endif
}

TEST(held_inward_packets_are_bounded_and_expire) {
  InwardHold hold;
  const u8 packet[4000] = {1};
  // Each of another network, for another node.
  const auto from = [](u32 number) {
    return Endpoint::Key{.remote = four(number << 8), .port = 9};
  };
  u32 taken = 0;
  while (hold.push(from(taken), taken, 0, packet, sizeof packet, 100)) taken++;
  CHECK_EQUAL(taken, InwardHold::kMaximumOctets / sizeof packet);
  CHECK_EQUAL(hold.take(from(1)).size(), 1u);
  CHECK_EQUAL(hold.expire(149, 50), 0u);
  CHECK_EQUAL(hold.expire(150, 50), size_t{taken} - 1);
  CHECK(!hold.waiting());
  u32 small = 0;
  while (hold.push(from(small), small, 0, packet, 1, 100)) small++;
  CHECK_EQUAL(small, InwardHold::kMaximumPackets);
}

TEST(held_inward_packets_of_one_source_leave_room_for_others) {
  InwardHold hold;
  const u8 packet[9000] = {1};
  size_t taken = 0;
  // One network that claims to be many nodes.
  for (u32 tunnel = 1; tunnel < 1000; tunnel++) {
    if (hold.push({.remote = four(tunnel & 255)}, tunnel, 0, packet, 1, 100)) taken++;
  }
  CHECK_EQUAL(taken, InwardHold::kForSource.packets);
  // Many networks that claim to be one node.
  taken = 0;
  for (u32 network = 1; network < 1000; network++) {
    const Endpoint::Key from{.remote = four(network << 8)};
    if (hold.push(from, 5000, 0, packet, sizeof packet, 100)) taken++;
  }
  CHECK_EQUAL(taken, InwardHold::kForSource.octets / sizeof packet);
  CHECK(hold.push({.remote = four(5000 << 8)}, 5001, 0, packet, sizeof packet, 100));
}

TEST(held_outward_packets_are_bounded_and_expire) {
  OutwardHold hold;
  std::vector<u8> packet(40 + 4000);
  packet[0] = 0x60;
  store16(packet.data() + 4, 4000);
  PacketView view;
  CHECK(viewPacket(packet.data(), packet.size(), view));
  size_t taken = 0;
  while (hold.push(view, {kVirtioNeedsChecksum}, 100)) taken++;
  CHECK_EQUAL(taken, OutwardHold::kForDestination);
  // Each destination has its own share, until the whole queue is full.
  for (u32 host = 1; host < 1000; host++) {
    store32(packet.data() + 36, host);
    while (hold.push(view, {}, 200)) taken++;
  }
  CHECK_EQUAL(taken, OutwardHold::kMaximumOctets / (packet.size() + HeldOutward::kRoom));
  const std::vector<HeldOutward> out =
      hold.take([](const HeldOutward& held) { return load32(held.destination.bytes + 12) == 0; });
  CHECK_EQUAL(out.size(), OutwardHold::kForDestination);
  CHECK(out[0].virtio.flags == kVirtioNeedsChecksum &&
        std::memcmp(out[0].packet.data() + HeldOutward::kRoom, packet.data(), 36) == 0);
  CHECK_EQUAL(hold.expire(1199, OutwardHold::kLimitMs), 0u);
  CHECK(hold.waiting());
  CHECK_EQUAL(hold.expire(1200, OutwardHold::kLimitMs), taken - out.size());
  CHECK(!hold.waiting());
}

TEST(punts_wake_javascript_once_until_taken) {
  int woken = 0;
  PuntQueue queue([&] { woken++; });
  const auto source = SourcePrefixes::ofSender(1, 1);
  const auto push = [&] {
    return queue.push({PacketPath{}, {1}}, Acquaintance::stranger, source);
  };
  size_t pushed = 0;
  while (push()) pushed++;
  CHECK_EQUAL(woken, 1);
  bool more = false;
  CHECK_EQUAL(queue.take(10, more).size(), 10);
  CHECK(more && push());
  // The caller of take() knows that there are more.
  CHECK_EQUAL(woken, 1);
  CHECK_EQUAL(queue.take(10'000, more).size(), pushed - 9);
  CHECK(!more && push());
  CHECK_EQUAL(woken, 2);
}

TEST(every_address_is_local_while_none_is_set) {
  auto tables = std::make_unique<Tables>();
  CHECK(tables->isLocal(6, six(1, 1).bytes) && !tables->knowsLocal());
  tables->localAddressesSet({six(1, 2), four(3), six(1, 1)});
  CHECK(tables->isLocal(6, six(1, 1).bytes) && tables->isLocal(4, four(3).bytes));
  CHECK(!tables->isLocal(6, six(1, 3).bytes) && tables->knowsLocal());
  tables->localAddressesSet({});
  CHECK(tables->isLocal(6, six(1, 3).bytes));
}
