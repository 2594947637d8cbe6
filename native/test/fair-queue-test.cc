// The queue of control packets: room and service are shared between sources.
#include <map>

#include "plane/punt-queue.h"
#include "check.h"

using namespace sojourn;

namespace {

constexpr size_t kCost = 100;

Address six(u32 wide, u32 site, u32 link, u32 host) {
  Address address{};
  store32(address.bytes, wide);
  store16(address.bytes + 4, site);
  store16(address.bytes + 6, link);
  store32(address.bytes + 12, host);
  return address;
}

SourcePrefixes from6(u32 wide, u32 site = 1, u32 link = 1, u32 host = 1) {
  return SourcePrefixes::of(6, six(wide, site, link, host));
}

using Queue = FairQueue<u32>;

u32 fill(Queue& queue, u32 count, u32 mark, const SourcePrefixes& source) {
  u32 taken = 0;
  for (u32 index = 0; index < count; index++) {
    taken += queue.push(source, kCost, u32{mark}) ? 1u : 0u;
  }
  return taken;
}

}  // namespace

TEST(a_fair_queue_serves_sources_in_turn) {
  Queue queue(100 * kCost);
  CHECK(fill(queue, 10, 1, from6(1)) == 10 && fill(queue, 2, 2, from6(2)) == 2);
  std::vector<u32> order;
  while (const auto item = queue.pop()) order.push_back(*item);
  CHECK((order == std::vector<u32>{1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(a_fair_queue_keeps_the_order_of_one_source) {
  Queue queue(100 * kCost);
  for (u32 mark = 0; mark < 20; mark++) CHECK(queue.push(from6(1), kCost, u32{mark}));
  for (u32 mark = 0; mark < 20; mark++) CHECK_EQUAL(*queue.pop(), mark);
  CHECK(!queue.pop() && queue.size() == 0);
}

TEST(a_source_that_sends_too_much_leaves_room_for_others) {
  Queue queue(1000 * kCost);
  const u32 taken = fill(queue, 100'000, 1, from6(1));
  CHECK(taken >= 200 && taken <= 300);
  // Another network, another site of the same network, and another link of the same site.
  CHECK_EQUAL(fill(queue, 20, 2, from6(2)), 20);
  CHECK_EQUAL(fill(queue, 20, 3, from6(1, 2)), 20);
  CHECK_EQUAL(fill(queue, 20, 4, from6(1, 1, 2)), 20);
}

TEST(addresses_of_one_prefix_count_as_one_source) {
  Queue queue(1000 * kCost);
  const auto spread = [&](auto source) {
    for (u32 index = 0; index < 100'000; index++) queue.push(source(index), kCost, u32{1});
    CHECK(fill(queue, 5, 2, from6(2)) == 5);
    // The other network waits for one item of the attacker, whichever prefixes that has.
    std::map<u32, u32> served;
    for (u32 index = 0; index < 10; index++) served[*queue.pop()]++;
    CHECK_EQUAL(served[2], 5);
    while (queue.pop()) continue;
  };
  spread([](u32 index) { return from6(1, 1, 1, index); });
  spread([](u32 index) { return from6(1, 1, index, index); });
  spread([](u32 index) { return from6(1, index, index >> 8, index); });
}

TEST(a_fair_queue_is_bounded_whatever_the_sources) {
  Queue queue(1000 * kCost);
  for (u32 index = 0; index < 100'000; index++) queue.push(from6(index), kCost, u32{1});
  CHECK(queue.size() <= 1000 && queue.size() >= 900);
  CHECK(!queue.push(from6(1), 2000 * kCost, u32{1}));
}

TEST(classes_of_punts_take_nothing_from_one_another) {
  PuntQueue queue([] {});
  const auto push = [&](Acquaintance sender, const SourcePrefixes& source, u32 tunnel) {
    PacketPath path;
    path.tunnel = tunnel;
    return queue.push({path, std::vector<u8>(100)}, sender, source);
  };
  for (u32 index = 0; index < 100'000; index++) push(Acquaintance::stranger, from6(index), 1);
  for (u32 index = 0; index < 100'000; index++) {
    push(Acquaintance::link, SourcePrefixes::ofSender(1, index), 2);
  }
  CHECK(push(Acquaintance::known, from6(1), 3));
  bool more = false;
  std::map<u32, u32> served;
  for (const ControlPacket& packet : queue.take(16, more)) served[packet.path.tunnel]++;
  CHECK(more && served[3] == 1 && served[1] >= 4 && served[2] >= 8);
}
