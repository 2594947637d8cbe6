// The legs of a relay and the datagrams that it forwards, between real sockets on the loopback
// interface.
#include <algorithm>
#include <memory>
#include <vector>

#include "relay/relay-switch.h"
#include "check.h"
#include "udp-node.h"

using namespace sojourn;

namespace {

using testing::Bytes;
using testing::Node;

constexpr u32 kFast = 1'000'000;

Options options() {
  Options given;
  given.sealedPort = 7890;
  return given;
}

// A relay between two nodes: leg 1 leads to the first one, leg 2 to the second.
struct Relay {
  Shared shared{options(), [] {}};
  Counters counters;
  Node own;
  Node nodes[2];
  SendSockets sockets;
  ErrorSender errors{counters, -1};
  PathErrors pathErrors{shared, counters, errors};
  std::unique_ptr<RelaySwitch> relay;
  u64 nowMs = 1000;

  Relay() {
    shared.features.udpSegmentation = true;
    sockets.sealed[0] = own.fd();
    sockets.sealedPort[0] = sockets.sealedPort[1] = 7890;
    relay = std::make_unique<RelaySwitch>(shared, counters, sockets, pathErrors);
    for (u32 index = 1; index <= 2; index++) shared.tables.relayLegSet(leg(index));
  }

  RelayLegSpec leg(u32 index) const {
    RelayLegSpec spec;
    spec.index = index;
    spec.other = 3 - index;
    spec.path = nodes[index - 1].path();
    spec.peer.validated = true;
    spec.rateKilobits = kFast;
    return spec;
  }
  const RelayLeg& at(u32 index) const { return *shared.tables.relayLegs().find(index); }
  u64 dropped(u32 index, RelayDrop reason) const {
    return at(index).state->drops[static_cast<size_t>(reason)].load();
  }
  u64 value(Counters::Name name) const { return counters.values[name].load(); }

  size_t take(Bytes& data, size_t segment, const Endpoint::Key& from, u8 trafficClass = 0) {
    return relay->take({data.data(), data.size(), segment, from, trafficClass}, nowMs);
  }
  // Takes a datagram from the first node. Returns whether it was for a leg.
  bool pass(Bytes datagram) {
    const size_t size = datagram.size();
    const size_t taken = take(datagram, size, nodes[0].key());
    relay->flush();
    CHECK(taken == 0 || taken == size);
    return taken != 0;
  }
};

// A datagram of `size` octets in all, in an envelope for leg `index`.
Bytes envelope(u32 index, size_t size, u8 type = 1, u8 filling = 0) {
  Bytes datagram(size, filling);
  store32(datagram.data(), u32{13} << 28 | index);
  if (size > kRelayEnvelope) datagram[kRelayEnvelope] = static_cast<u8>(type << 4);
  return datagram;
}

Bytes joined(const std::vector<Bytes>& all) {
  Bytes whole;
  for (const Bytes& one : all) whole.insert(whole.end(), one.begin(), one.end());
  return whole;
}

}  // namespace

TEST(relay_forwards_in_the_envelope_of_the_other_leg) {
  auto relay = std::make_unique<Relay>();
  for (const u8 type : {1, 9, 10, 11, 12}) {
    CHECK(relay->pass(envelope(1, 60, type, type)));
    CHECK(relay->nodes[1].receive() == envelope(2, 60, type, type));
  }
  CHECK(relay->nodes[0].nothing());
  const TunnelCounters& first = relay->at(1).state->counters;
  const TunnelCounters& second = relay->at(2).state->counters;
  CHECK_EQUAL(first.receivePackets.load(), 5u);
  CHECK_EQUAL(first.receiveOctets.load(), 300u);
  CHECK_EQUAL(first.lastReceivedMs(), 960u);
  CHECK_EQUAL(first.transmitPackets.load(), 0u);
  CHECK_EQUAL(second.transmitPackets.load(), 5u);
  CHECK_EQUAL(second.transmitOctets.load(), 300u);
  CHECK_EQUAL(relay->value(Counters::relayPackets), 5u);
  CHECK_EQUAL(relay->value(Counters::relayOctets), 300u);
  CHECK_EQUAL(relay->value(Counters::transmitPackets), 0u);
}

TEST(relay_ignores_datagrams_for_no_leg) {
  auto relay = std::make_unique<Relay>();
  for (const u32 index : {0u, 3u, 0x0fffffffu}) CHECK(!relay->pass(envelope(index, 60)));
  CHECK(!relay->pass({0x10, 0, 0, 1, 2, 3, 4, 5}));
  CHECK(!relay->pass({0xd0, 0, 1}));
  CHECK(relay->nodes[1].nothing());
}

TEST(relay_drops_datagrams_from_another_address) {
  auto relay = std::make_unique<Relay>();
  const Endpoint::Key right = relay->nodes[0].key();
  std::vector<Endpoint::Key> wrong(4, right);
  wrong[0].port++;
  wrong[1].remote.bytes[3]++;
  // The same octets in the other family.
  wrong[2].family = 6;
  wrong[3] = relay->nodes[1].key();
  for (const Endpoint::Key& from : wrong) {
    Bytes datagram = envelope(1, 60);
    CHECK_EQUAL(relay->take(datagram, 60, from), 60u);
    CHECK(datagram == envelope(1, 60));
  }
  CHECK_EQUAL(relay->dropped(1, RelayDrop::source), 4u);
  CHECK_EQUAL(relay->value(Counters::dropRelaySource), 4u);
  CHECK_EQUAL(relay->at(1).state->counters.receivePackets.load(), 0u);
  // A whole run at once.
  Bytes run = joined({envelope(1, 60), envelope(1, 60), envelope(1, 9)});
  CHECK_EQUAL(relay->take(run, 60, wrong[0]), 129u);
  CHECK_EQUAL(relay->dropped(1, RelayDrop::source), 7u);
  relay->relay->flush();
  CHECK(relay->nodes[1].nothing());
}

TEST(relay_drops_datagrams_without_other_leg) {
  auto relay = std::make_unique<Relay>();
  RelayLegSpec alone = relay->leg(1);
  for (const u32 other : {0u, 77u}) {
    alone.other = other;
    relay->shared.tables.relayLegSet(alone);
    CHECK(relay->pass(envelope(1, 60)));
  }
  relay->shared.tables.relayLegSet(relay->leg(1));
  relay->shared.tables.relayLegDelete(2);
  CHECK(relay->pass(envelope(1, 60)));
  CHECK_EQUAL(relay->dropped(1, RelayDrop::alone), 3u);
  CHECK_EQUAL(relay->value(Counters::dropRelayAlone), 3u);
  relay->shared.tables.relayLegDelete(1);
  CHECK(!relay->pass(envelope(1, 60)));
  // A leg that was deleted and set again is a new one.
  relay->shared.tables.relayLegSet(relay->leg(1));
  CHECK_EQUAL(relay->dropped(1, RelayDrop::alone), 0u);
}

TEST(relay_forwards_five_datagram_types_only) {
  auto relay = std::make_unique<Relay>();
  u64 wrong = 0;
  for (u8 type = 0; type < 16; type++) {
    const bool right = type == 1 || (type >= 9 && type <= 12);
    CHECK(relay->pass(envelope(1, 8, type)));
    if (right) CHECK(relay->nodes[1].receive() == envelope(2, 8, type));
    wrong += right ? 0 : 1;
    CHECK_EQUAL(relay->dropped(1, RelayDrop::type), wrong);
  }
  // An empty envelope, or less than a word in it.
  for (size_t size = 4; size < 8; size++) CHECK(relay->pass(envelope(1, size)));
  CHECK_EQUAL(relay->dropped(1, RelayDrop::type), wrong + 4);
  CHECK_EQUAL(relay->value(Counters::dropRelayType), wrong + 4);
  CHECK(relay->nodes[1].nothing());
}

TEST(relay_sends_a_run_as_one_message) {
  auto relay = std::make_unique<Relay>();
  std::vector<Bytes> came;
  std::vector<Bytes> expected;
  for (u8 at = 0; at < 40; at++) {
    const size_t size = at == 39 ? 700 : 1400;
    came.push_back(envelope(1, size, 1, at));
    expected.push_back(envelope(2, size, 1, at));
  }
  Bytes run = joined(came);
  CHECK_EQUAL(relay->take(run, 1400, relay->nodes[0].key(), 0x2a), run.size());
  relay->relay->flush();
  CHECK_EQUAL(relay->value(Counters::transmitCalls), 1u);
  // The loopback interface does not segment the run.
  CHECK(relay->nodes[1].receive() == joined(expected));
  CHECK_EQUAL(relay->nodes[1].last.segmentSize, 1400u);
  CHECK_EQUAL(relay->nodes[1].last.trafficClass, 0x2a);
  CHECK_EQUAL(relay->at(2).state->counters.transmitPackets.load(), 40u);
}

TEST(relay_splits_a_run_of_several_legs) {
  auto relay = std::make_unique<Relay>();
  const Endpoint::Key from = relay->nodes[0].key();
  Bytes data = joined(
      {envelope(1, 50), envelope(1, 50), envelope(1, 50, 13), envelope(1, 50, 9), {0x10, 0, 0, 7}});
  data.resize(250);
  const Bytes last(data.begin() + 200, data.end());
  auto front = [&] {
    const size_t taken = relay->take(data, 50, from);
    relay->relay->flush();
    data.erase(data.begin(), data.begin() + static_cast<ssize_t>(taken));
    return taken;
  };
  CHECK_EQUAL(front(), 100u);
  CHECK(relay->nodes[1].receive() == joined({envelope(2, 50), envelope(2, 50)}));
  CHECK_EQUAL(front(), 50u);
  CHECK_EQUAL(relay->dropped(1, RelayDrop::type), 1u);
  CHECK_EQUAL(front(), 50u);
  CHECK(relay->nodes[1].receive() == envelope(2, 50, 9));
  CHECK_EQUAL(front(), 0u);
  CHECK(data == last);
  // A datagram of the other leg, from the wrong address, ends the run.
  data = joined({envelope(1, 50), envelope(2, 50), envelope(1, 50)});
  CHECK_EQUAL(front(), 50u);
  CHECK_EQUAL(front(), 50u);
  CHECK_EQUAL(front(), 50u);
  CHECK_EQUAL(relay->dropped(2, RelayDrop::source), 1u);
}

TEST(relay_sends_an_unvalidated_node_three_times_what_it_received) {
  auto relay = std::make_unique<Relay>();
  RelayLegSpec second = relay->leg(2);
  second.peer.validated = false;
  relay->shared.tables.relayLegSet(second);
  CHECK(relay->pass(envelope(1, 100)));
  CHECK_EQUAL(relay->dropped(2, RelayDrop::unvalidated), 1u);
  CHECK_EQUAL(relay->dropped(1, RelayDrop::unvalidated), 0u);
  // 100 octets came from the node.
  Bytes back = envelope(2, 100);
  CHECK_EQUAL(relay->take(back, 100, relay->nodes[1].key()), 100u);
  CHECK(relay->pass(envelope(1, 200)));
  // A run of which one octet exceeds the limit, then a datagram that fits.
  Bytes run = joined({envelope(1, 99), envelope(1, 99), envelope(1, 1 + 8)});
  CHECK_EQUAL(relay->take(run, 99, relay->nodes[0].key()), 207u);
  relay->relay->flush();
  CHECK_EQUAL(relay->at(2).state->counters.transmitOctets.load(), 299u);
  CHECK_EQUAL(relay->dropped(2, RelayDrop::unvalidated), 3u);
  // Setting the leg again does not raise the limit. A move starts a new limit, and a validated leg
  // has none.
  relay->shared.tables.relayLegSet(second);
  CHECK(relay->pass(envelope(1, 8)));
  CHECK_EQUAL(relay->dropped(2, RelayDrop::unvalidated), 4u);
  RelayLegSpec moved = second;
  moved.path.remotePort = relay->nodes[0].port;
  relay->shared.tables.relayLegSet(moved);
  relay->shared.tables.relayLegSet(second);
  CHECK_EQUAL(relay->take(back = envelope(2, 100), 100, relay->nodes[1].key()), 100u);
  CHECK(relay->pass(envelope(1, 300)));
  CHECK_EQUAL(relay->dropped(2, RelayDrop::unvalidated), 4u);
  CHECK(relay->pass(envelope(1, 8)));
  CHECK_EQUAL(relay->dropped(2, RelayDrop::unvalidated), 5u);
  relay->shared.tables.relayLegSet(relay->leg(2));
  CHECK(relay->pass(envelope(1, 5000)));
  CHECK_EQUAL(relay->at(2).state->counters.transmitOctets.load(), 299u + 300u + 5000u);
  CHECK_EQUAL(relay->value(Counters::dropRelayUnvalidated), 5u);
}

TEST(relay_limits_the_rate_of_the_receiving_leg) {
  auto relay = std::make_unique<Relay>();
  RelayLegSpec second = relay->leg(2);
  second.rateKilobits = 8000;
  relay->shared.tables.relayLegSet(second);
  // A burst of 256 KiB, then a thousand octets in each millisecond.
  u64 sent = 0;
  Bytes run = joined(std::vector<Bytes>(50, envelope(1, 1000)));
  for (int count = 0; count < 6; count++) {
    Bytes copy = run;
    CHECK_EQUAL(relay->take(copy, 1000, relay->nodes[0].key()), run.size());
    relay->relay->flush();
  }
  sent = relay->at(2).state->counters.transmitOctets.load();
  CHECK_EQUAL(sent, 262'000u);
  CHECK_EQUAL(relay->dropped(2, RelayDrop::rate), 300u - 262u);
  CHECK_EQUAL(relay->value(Counters::dropRelayRate), 300u - 262u);
  relay->nowMs += 20;
  relay->take(run, 1000, relay->nodes[0].key());
  relay->relay->flush();
  CHECK_EQUAL(relay->at(2).state->counters.transmitOctets.load(), 282'000u);
  CHECK_EQUAL(relay->at(1).state->counters.receiveOctets.load(), 350'000u);
}

TEST(octet_rate_limit_allows_its_rate_and_its_burst) {
  auto all = [](OctetRateLimit& rate, u32 kilobits, u64 nowMs) {
    u64 taken = 0;
    while (rate.take(1000, kilobits, nowMs)) taken += 1000;
    return taken;
  };
  OctetRateLimit none;
  CHECK(!none.take(1, 0, 1'000'000));
  // The burst of a fast limit is what it carries in 100 ms.
  OctetRateLimit fast;
  CHECK_EQUAL(all(fast, 800'000, 1'000'000), 10'000'000u);
  CHECK(!fast.take(1'000'001, 800'000, 1'000'010));
  CHECK(fast.take(1'000'000, 800'000, 1'000'010));
  CHECK(!fast.take(1, 800'000, 1'000'010));
  // A thread whose clock is behind gains nothing, and neither do the others.
  CHECK(!fast.take(1, 800'000, 1'000'000));
  CHECK(!fast.take(1, 800'000, 1'000'010));
  CHECK_EQUAL(all(fast, 800'000, 2'000'000), 10'000'000u);
  // A slow limit counts bits.
  OctetRateLimit slow;
  CHECK_EQUAL(all(slow, 1, 10'000'000), 262'000u);
  CHECK(slow.take(144, 1, 10'000'000));
  for (u64 ms = 1; ms < 8; ms++) CHECK(!slow.take(1, 1, 10'000'000 + ms));
  CHECK(slow.take(1, 1, 10'000'008));
  CHECK(!slow.take(1, 1, 10'000'008));
  // A new rate continues with the tokens that are left.
  CHECK(!slow.take(1, 800'000, 10'000'008));
  CHECK(slow.take(100'000, 800'000, 10'000'009));
  // The fastest rate, and a clock that wraps.
  OctetRateLimit fastest;
  CHECK(fastest.take(536'870'911, 0xffffffff, (u64{1} << 32) - 1));
  CHECK(!fastest.take(1000, 0xffffffff, (u64{1} << 32) - 1));
  CHECK(fastest.take(500'000'000, 0xffffffff, u64{1} << 32));
}
