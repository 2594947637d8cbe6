// The anti-amplification limit (RFC 9000 §8.1) of legs and tunnels, and sealed tunnels between a
// TUN, which is one end of a socket pair, and a real socket on the loopback interface.
#include <memory>

#include "plane/receive/receiver.h"
#include "plane/transmit/transmitter.h"
#include "check.h"
#include "packets.h"
#include "udp-node.h"

using namespace sojourn;
using testing::Bytes;
using testing::Flow;
using testing::Node;

namespace {

constexpr u32 kTunnel = 5;
constexpr u32 kGroup = 7;
constexpr u32 kToNode = 0x1234567;
constexpr u32 kToRelay = 0x7654321;

AeadKey keyOf(u8 filling) {
  AeadKey key;
  std::memset(key.bytes, filling, sizeof key.bytes);
  return key;
}

Options options() {
  Options given;
  given.lookup = TunnelLookup::byInnerDestination;
  given.sealedPort = 7890;
  return given;
}

TunnelSpec tunnelTo(const Node& node, const PeerValidation& peer) {
  TunnelSpec spec;
  spec.id = kTunnel;
  spec.mtu = 1400;
  spec.path = node.path();
  spec.protection = Protection::sealed;
  spec.peer = peer;
  return spec;
}

RelayLegSpec legTo(const Node& node, u32 index, const PeerValidation& peer) {
  RelayLegSpec spec;
  spec.index = index;
  spec.path = node.path();
  spec.peer = peer;
  spec.rateKilobits = 1'000'000;
  return spec;
}

// A relay's plane and a node with a tunnel to it. `other` has another address.
struct World {
  Shared shared{options(), [] {}};
  Counters counters;
  Node own;
  Node node;
  Node other;
  SendSockets sockets;
  int ends[2];
  std::unique_ptr<Transmitter> transmitter;
  std::unique_ptr<Receiver> receiver;
  SendKey nodes{1, kToRelay, AeadContexts(keyOf(2), AeadContext::Direction::seal, 1),
                std::make_shared<SendCounter>()};

  World() {
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
    requestBuffers(ends[0], 1 << 20);
    requestBuffers(ends[1], 1 << 20);
    shared.tables.domain().addReader().online(shared.tables.domain());
    shared.features.udpSegmentation = true;
    sockets.sealed[0] = own.fd();
    sockets.sealedPort[0] = sockets.sealedPort[1] = 7890;
    transmitter = std::make_unique<Transmitter>(shared, counters, sockets, ends[0], 0);
    receiver = std::make_unique<Receiver>(shared, counters, ends[0], 0, sockets);
    Bytes packet = inner(0);
    shared.tables.routeSet(
        {{6, 128, Address::of(6, testing::viewOf(packet).destination())}, kTunnel, false});
    SealingKeysSpec spec;
    spec.tunnel = kTunnel;
    spec.send = SealingKey{kToNode, keyOf(1)};
    spec.receive = {SealingKey{kToRelay, keyOf(2)}};
    shared.tables.sealingKeysSet(spec);
  }
  ~World() {
    ::close(ends[0]);
    ::close(ends[1]);
  }

  // From the node and for it, with `payload` octets.
  static Bytes inner(size_t payload) { return testing::udp({.family = 6, .host = 1}, payload); }
  static size_t sealedSize(size_t payload) {
    return kIpv6Header + kUdpHeader + payload + kSealedOverhead;
  }

  void tunnelAt(const Node& at, const PeerValidation& peer) {
    shared.tables.tunnelSet(tunnelTo(at, peer));
  }
  const Tunnel& tunnel() const { return *shared.tables.tunnel(kTunnel); }
  u64 dropped() const { return counters.values[Counters::dropTunnelUnvalidated].load(); }

  // A server sends `packet`. Returns the octets that arrive `at` the peer.
  u64 sendTo(const Node& at, Bytes packet, VirtioHeader virtio = {}) {
    const iovec parts[2] = {{&virtio, sizeof virtio}, {packet.data(), packet.size()}};
    CHECK(::writev(ends[1], parts, 2) > 0);
    transmitter->poll(1000);
    u64 arrived = 0;
    u8 datagram[65536];
    for (ssize_t length; (length = ::recv(at.fd(), datagram, sizeof datagram, MSG_DONTWAIT)) > 0;) {
      arrived += static_cast<u64>(length);
    }
    return arrived;
  }
  // The node sends a packet with `payload` octets `from` its address. `spoil`: with a wrong tag.
  size_t receiveFrom(const Node& from, size_t payload, bool spoil = false) {
    const Bytes packet = inner(payload);
    Bytes datagram(kSealedOverhead + packet.size());
    std::memcpy(datagram.data() + kSealedHeader, packet.data(), packet.size());
    CHECK(nodes.seal(0, datagram.data(), datagram.data() + kSealedHeader, packet.size()));
    if (spoil) datagram.back() ^= 1;
    sockaddr_in to = socketAddress(Node::loopback(), own.port);
    const ssize_t sent = ::sendto(from.fd(), datagram.data(), datagram.size(), 0,
                                  reinterpret_cast<sockaddr*>(&to), sizeof to);
    CHECK(sent == static_cast<ssize_t>(datagram.size()));
    receiver->pollSealed(own.fd(), 4, 1000);
    return datagram.size();
  }
};

}  // namespace

TEST(limit_is_shared_by_an_endpoint_and_a_group) {
  auto world = std::make_unique<World>();
  Tables& tables = world->shared.tables;
  const PeerValidation first{false, kGroup, 1000};
  auto leg = [&](u32 index) { return tables.relayLegs().find(index)->tunnel.limit; };
  tables.relayLegSet(legTo(world->node, 1, first));
  tables.relayLegSet(legTo(world->node, 2, {false, kGroup + 1, 0}));
  tables.relayLegSet(legTo(world->other, 3, first));
  tables.relayLegSet(legTo(world->node, 4, {true, kGroup, 0}));
  world->tunnelAt(world->node, first);
  CHECK(leg(1) != nullptr && leg(1) == world->tunnel().limit);
  CHECK(leg(2) != nullptr && leg(2) != leg(1));
  CHECK(leg(3) != nullptr && leg(3) != leg(1));
  CHECK(leg(4) == nullptr);
  // Both share one credit, which grows and never shrinks.
  CHECK(leg(1)->trySend(600));
  CHECK(!world->tunnel().maySend(401));
  world->tunnelAt(world->node, {false, kGroup, 400});
  CHECK(world->tunnel().maySend(400));
  CHECK(!leg(1)->trySend(1));
  world->tunnelAt(world->node, {false, kGroup, 1010});
  CHECK(leg(1)->trySend(10));
  CHECK(!leg(1)->trySend(1));
  leg(1)->received(5);
  CHECK(world->tunnel().maySend(15));
  CHECK(!world->tunnel().maySend(1));
  // The limit lasts as long as the leg. Once both legs have left the address, a new limit starts.
  world->tunnelAt(world->other, first);
  world->tunnelAt(world->node, first);
  CHECK(!world->tunnel().maySend(1));
  world->tunnelAt(world->node, {true, kGroup, 0});
  CHECK(world->tunnel().limit == nullptr && world->tunnel().maySend(1'000'000));
  tables.relayLegDelete(1);
  world->tunnelAt(world->node, first);
  CHECK(world->tunnel().maySend(1000));
  CHECK(!world->tunnel().maySend(1));
  tables.tunnelDelete(kTunnel);
  world->tunnelAt(world->node, {false, kGroup, 0});
  CHECK(!world->tunnel().maySend(1));
}

TEST(unvalidated_tunnel_sends_its_credit_and_three_times_what_it_received) {
  auto world = std::make_unique<World>();
  const size_t size = World::sealedSize(500);
  world->tunnelAt(world->node, {false, kGroup, 2 * size + 10});
  CHECK_EQUAL(world->sendTo(world->node, World::inner(500)), size);
  CHECK_EQUAL(world->sendTo(world->node, World::inner(500)), size);
  CHECK_EQUAL(world->sendTo(world->node, World::inner(500)), 0u);
  CHECK_EQUAL(world->dropped(), 1u);
  CHECK_EQUAL(world->counters.values[Counters::transmitPackets].load(), 2u);
  // Packets that do not open, and packets from another address, do not count.
  world->receiveFrom(world->node, 900, true);
  world->receiveFrom(world->other, 900);
  CHECK_EQUAL(world->sendTo(world->node, World::inner(500)), 0u);
  const size_t received = world->receiveFrom(world->node, 500);
  CHECK_EQUAL(received, size);
  CHECK_EQUAL(world->counters.values[Counters::receivePackets].load(), 2u);
  u64 sent = 0;
  for (int count = 0; count < 5; count++) sent += world->sendTo(world->node, World::inner(500));
  CHECK_EQUAL(sent, 3 * size);
  CHECK_EQUAL(world->dropped(), 4u);
}

TEST(unvalidated_tunnel_sends_the_segments_within_its_limit) {
  auto world = std::make_unique<World>();
  Bytes packet = testing::tcp({.family = 6, .host = 1}, 1, 10'000);
  VirtioHeader virtio;
  virtio.flags = kVirtioNeedsChecksum;
  virtio.gsoType = kGsoTcp6;
  virtio.headerLength = kIpv6Header + 20;
  virtio.gsoSize = 1000;
  virtio.checksumStart = kIpv6Header;
  virtio.checksumOffset = 16;
  const size_t segment = kIpv6Header + 20 + 1000 + kSealedOverhead;
  world->tunnelAt(world->node, {false, kGroup, 3344});
  CHECK_EQUAL(world->sendTo(world->node, packet, virtio), 3 * segment);
  CHECK_EQUAL(world->dropped(), 7u);
  world->tunnelAt(world->node, {true, kGroup, 0});
  CHECK_EQUAL(world->sendTo(world->node, packet, virtio), 10 * segment);
  CHECK_EQUAL(world->dropped(), 7u);
}
