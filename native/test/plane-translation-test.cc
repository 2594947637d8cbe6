// Translation in the plane: the address pairs, the plan for a packet, and packets through both
// halves of a packet thread. The TUN is one end of a socket pair.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <memory>

#include "plane/receive/receiver.h"
#include "plane/transmit/transmitter.h"
#include "check.h"
#include "translating.h"

using namespace sojourn;
using testing::Bytes;

namespace {

Address four(u32 value) {
  Address address;
  store32(address.bytes, value);
  return address;
}
Address six(u32 high, u32 low) {
  Address address;
  store32(address.bytes, 0x20010db8);
  store32(address.bytes + 4, high);
  store32(address.bytes + 12, low);
  return address;
}

// The node's IPv4 address and its shadow; the server's virtual IPv4 address and its outer one.
const Address kNode = four(0x64600002);
const Address kShadow = six(0xa, 2);
const Address kServer = four(0x64610001);
const Address kServerOuter = six(0xb, 1);
const Address kRouter = six(0xc, 99);

struct World {
  Shared shared;
  Counters counters;
  SendSockets sockets;
  int ends[2];
  std::unique_ptr<Transmitter> transmitter;
  std::unique_ptr<InwardTranslator> inward;

  static Options optionsOf(bool onDevice) {
    Options options;
    options.lookup = TunnelLookup::byInnerDestination;
    options.translateOnDevice = onDevice;
    return options;
  }
  explicit World(bool onDevice) : shared(optionsOf(onDevice), [] {}) {
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
    // A super-packet is one message.
    requestBuffers(ends[0], 1 << 20);
    requestBuffers(ends[1], 1 << 20);
    shared.tables.domain().addReader().online(shared.tables.domain());
    shared.tables.translationSet({false, 4, kNode, kShadow});
    shared.tables.translationSet({true, 4, kServer, kServerOuter});
    transmitter = std::make_unique<Transmitter>(shared, counters, sockets, ends[0], 0);
    inward = std::make_unique<InwardTranslator>(shared, counters, ends[0]);
  }
  ~World() {
    ::close(ends[0]);
    ::close(ends[1]);
  }

  u64 count(Counters::Name name) const { return counters.values[name].load(); }

  // The next packet that the plane wrote to the TUN.
  bool written(VirtioHeader& virtio, Bytes& packet) {
    packet.resize(70000);
    const iovec parts[2] = {{&virtio, sizeof virtio}, {packet.data(), packet.size()}};
    const ssize_t length = ::readv(ends[1], parts, 2);
    packet.resize(length < static_cast<ssize_t>(sizeof virtio)
                      ? 0
                      : static_cast<size_t>(length) - sizeof virtio);
    return !packet.empty();
  }
  bool written(Bytes& packet) {
    VirtioHeader virtio;
    return written(virtio, packet);
  }
  // A packet arrives from the TUN.
  void fromDevice(Bytes packet, VirtioHeader virtio = {}) {
    const iovec parts[2] = {{&virtio, sizeof virtio}, {packet.data(), packet.size()}};
    CHECK(::writev(ends[1], parts, 2) > 0);
    transmitter->poll(1000);
  }
  // A packet arrives out of a tunnel, a super-packet with its payload in several parts.
  bool outOfTunnel(Bytes packet, VirtioHeader virtio = {}) {
    iovec parts[72] = {{&virtio, sizeof virtio}};
    int count = 1;
    const size_t first =
        virtio.gsoSize == 0 ? packet.size() : size_t{virtio.headerLength} + virtio.gsoSize;
    for (size_t at = 0; at < packet.size(); count++) {
      const size_t length = std::min(count == 1 ? first : virtio.gsoSize, packet.size() - at);
      parts[count] = {packet.data() + at, length};
      at += length;
    }
    return inward->take(parts, count, 1000);
  }
};

void address(Bytes& packet, const Address& source, const Address& destination) {
  const bool v6 = packet[0] >> 4 == 6;
  std::memcpy(packet.data() + (v6 ? 8 : 12), source.bytes, v6 ? 16 : 4);
  std::memcpy(packet.data() + (v6 ? 24 : 16), destination.bytes, v6 ? 16 : 4);
  if (!v6) writeIpv4Checksum(packet.data(), kIpv4Header);
}

Bytes between(Bytes packet, const Address& source, const Address& destination) {
  address(packet, source, destination);
  const PacketView view = testing::viewOf(packet);
  if (view.protocol == kProtocolTcp) {
    testing::fillTransport(packet, {.family = view.family, .protocol = kProtocolTcp},
                           view.headerLength);
  }
  if (view.protocol == kProtocolUdp) {
    testing::fillTransport(packet, {.family = view.family, .protocol = kProtocolUdp},
                           view.headerLength);
  }
  if (view.protocol == kProtocolIcmp || view.protocol == kProtocolIcmpv6) {
    testing::finishIcmp(packet);
  }
  return packet;
}

Bytes toServer(Bytes packet) { return between(std::move(packet), kNode, kServer); }
Bytes toNode(Bytes packet) { return between(std::move(packet), kServerOuter, kShadow); }

bool isFromTo(const Bytes& packet, int family, const Address& source, const Address& destination) {
  const size_t length = family == 6 ? 16 : 4;
  const size_t at = family == 6 ? 8 : 12;
  return packet.size() > 40 && packet[0] >> 4 == family &&
         std::memcmp(packet.data() + at, source.bytes, length) == 0 &&
         std::memcmp(packet.data() + at + length, destination.bytes, length) == 0;
}

}  // namespace

TEST(pair_replaces_the_pairs_that_share_an_address) {
  auto tables = std::make_unique<Tables>();
  const TranslationTable& all = tables->translations();
  const auto far = [&](const Address& inner) {
    return all.destination(TranslationDirection::innerToOuter, 4, inner.bytes);
  };
  const auto farBack = [&](const Address& outer) {
    return all.source(TranslationDirection::outerToInner, 6, outer.bytes);
  };
  CHECK(!all.any());
  tables->translationSet({true, 4, kServer, kServerOuter});
  tables->translationSet({true, 4, kServer, kServerOuter});
  tables->translationSet({false, 4, kServer, kShadow});
  CHECK(all.any() && far(kServer)->to == kServerOuter && farBack(kServerOuter)->to == kServer);
  // A near pair is found on its own side only. The family is part of the address.
  CHECK(all.source(TranslationDirection::innerToOuter, 4, kServer.bytes)->to == kShadow &&
        farBack(kShadow) == nullptr);
  CHECK(all.destination(TranslationDirection::innerToOuter, 6, kServer.bytes) == nullptr);
  // Setting one half of a pair again removes the other half.
  tables->translationSet({true, 4, kServer, six(1, 1)});
  CHECK(far(kServer)->to == six(1, 1) && farBack(kServerOuter) == nullptr);
  tables->translationSet({true, 4, kNode, six(1, 1)});
  CHECK(far(kServer) == nullptr && far(kNode)->to == six(1, 1) && farBack(six(1, 1))->to == kNode);
  tables->translationDelete({true, 4, kNode, kServerOuter});
  CHECK(far(kNode) != nullptr);
  tables->translationDelete({true, 4, kNode, six(1, 1)});
  tables->translationDelete({false, 4, kServer, kShadow});
  CHECK(!all.any() && far(kNode) == nullptr && farBack(six(1, 1)) == nullptr);
}

TEST(table_holds_a_hundred_thousand_pairs) {
  auto tables = std::make_unique<Tables>();
  constexpr u32 kCount = 100'000;
  for (u32 index = 0; index < kCount; index++) {
    tables->translationSet({false, 4, four(index), six(7, index)});
  }
  u32 right = 0;
  for (u32 index = 0; index < kCount; index++) {
    const Mapping* out =
        tables->translations().source(TranslationDirection::innerToOuter, 4, four(index).bytes);
    const Mapping* back = tables->translations().destination(TranslationDirection::outerToInner, 6,
                                                             six(7, index).bytes);
    right +=
        out != nullptr && back != nullptr && out->to == six(7, index) && back->to == four(index)
            ? 1
            : 0;
  }
  CHECK_EQUAL(right, kCount);
  for (u32 index = 0; index < kCount; index++) {
    tables->translationDelete({false, 4, four(index), six(7, index)});
  }
  CHECK(!tables->translations().any());
}

TEST(coalesced_run_is_translated_once) {
  World world(false);
  for (const bool udp : {false, true}) {
    Bytes packet =
        toServer(udp ? testing::udp({.family = 4}, 50000) : testing::tcp({.family = 4}, 9, 50000));
    const VirtioHeader virtio = testing::makeSuper(packet, 1200);
    CHECK(world.outOfTunnel(packet, virtio));
    VirtioHeader after;
    Bytes translated;
    CHECK(world.written(after, translated));
    CHECK(isFromTo(translated, 6, kShadow, kServerOuter));
    CHECK_EQUAL(after.gsoSize, 1200);
    // The super-packet equals the translation of its segments one by one.
    const Packets segments = testing::cutSuper(translated, after);
    CHECK_EQUAL(segments.size(), (50000 + 1199) / 1200);
    for (Bytes segment : segments) CHECK(testing::transportRight(segment));
    CHECK(std::memcmp(translated.data() + translated.size() - 49000,
                      packet.data() + packet.size() - 49000, 49000) == 0);
    Bytes nothing;
    CHECK(!world.written(nothing));
  }
  CHECK_EQUAL(world.count(Counters::translated), 2u);
}

TEST(packet_without_far_pair_passes_and_without_near_pair_is_dropped) {
  World world(false);
  CHECK(!world.outOfTunnel(between(testing::tcp({.family = 4}, 1, 10), kNode, four(0xc0000201))));
  CHECK(world.outOfTunnel(between(testing::tcp({.family = 4}, 1, 10), four(0x64600003), kServer)));
  CHECK_EQUAL(world.count(Counters::dropUnmapped), 1u);
  Bytes none;
  CHECK(!world.written(none));
}

TEST(error_about_an_inward_packet_is_queued_for_the_tunnel) {
  World world(false);
  Bytes packet = toServer(testing::udp({.family = 4}, 100));
  packet[8] = 1;
  writeIpv4Checksum(packet.data(), kIpv4Header);
  CHECK(world.outOfTunnel(packet));
  CHECK_EQUAL(world.count(Counters::dropUntranslatable), 1u);
  std::vector<std::vector<u8>> transmitQueue = world.shared.transmitQueue.take();
  CHECK_EQUAL(transmitQueue.size(), 1u);
  // The error comes from the address that the node sent to, the only one that it accepts from this
  // tunnel.
  CHECK(isFromTo(transmitQueue[0], 4, kServer, kNode) && transmitQueue[0][20] == 11);
  CHECK_EQUAL(testing::upperResidue(transmitQueue[0]), 0);
}

TEST(datagram_without_df_is_fragmented_for_ipv6) {
  World world(false);
  Bytes packet = toServer(testing::withFragmentField(testing::udp({.family = 4}, 3000), 0));
  const VirtioHeader left = testing::makePartial(packet);
  CHECK(world.outOfTunnel(packet, left));
  size_t payload = 0;
  Bytes fragment;
  while (world.written(fragment)) {
    CHECK(isFromTo(fragment, 6, kShadow, kServerOuter) && fragment.size() <= 1280 &&
          fragment[6] == kProtocolFragment);
    payload += fragment.size() - 48;
  }
  CHECK_EQUAL(payload, 3008);
}

TEST(device_translates_super_packets_in_both_directions) {
  World world(true);
  Bytes packet = toServer(testing::tcp({.family = 4}, 5, 40000));
  const VirtioHeader virtio = testing::makeSuper(packet, 1400);
  world.fromDevice(packet, virtio);
  VirtioHeader there;
  Bytes six6;
  CHECK(world.written(there, six6) && isFromTo(six6, 6, kShadow, kServerOuter));
  CHECK_EQUAL(there.gsoType, kGsoTcp6);
  // Back with source and destination exchanged: the first packet again, but for the hop limit.
  address(six6, kServerOuter, kShadow);
  VirtioHeader back;
  Bytes four4;
  world.fromDevice(six6, there);
  CHECK(world.written(back, four4) && isFromTo(four4, 4, kServer, kNode));
  CHECK(std::memcmp(&back, &virtio, sizeof back) == 0 && four4.size() == packet.size() &&
        four4[8] == 62);
  CHECK(std::memcmp(four4.data() + 40, packet.data() + 40, packet.size() - 40) == 0);
  CHECK_EQUAL(world.count(Counters::translated), 2u);
  // A packet without pairs is routed as any other.
  world.fromDevice(between(testing::tcp({.family = 4}, 1, 10), kNode, four(0xc0000201)));
  CHECK_EQUAL(world.count(Counters::dropNoRoute), 1u);
  world.fromDevice(between(testing::tcp({.family = 6}, 1, 10), kRouter, kShadow));
  CHECK_EQUAL(world.count(Counters::dropUnmapped), 1u);
}

TEST(packet_without_tunnel_is_dropped_unless_the_device_translates) {
  World world(false);
  world.fromDevice(toNode(testing::tcp({.family = 6}, 1, 10)));
  CHECK_EQUAL(world.count(Counters::dropNoRoute), 1u);
  // Only packets out of tunnels are translated towards the far side.
  world.fromDevice(toServer(testing::tcp({.family = 4}, 1, 10)));
  CHECK_EQUAL(world.count(Counters::dropNoRoute), 2u);
  Bytes none;
  CHECK(!world.written(none));
}

TEST(router_error_gets_the_far_address_as_source) {
  World world(true);
  Bytes quoted = testing::udp({.family = 6}, 100);
  quoted = between(quoted, kShadow, kServerOuter);
  const Bytes error = between(testing::icmp({.family = 6, .type = 3}, quoted), kRouter, kShadow);
  world.fromDevice(error);
  Bytes translated;
  CHECK(world.written(translated) && isFromTo(translated, 4, kServer, kNode));
  CHECK(translated[20] == 11 && translated[21] == 0);
  CHECK_EQUAL(testing::upperResidue(translated), 0);
  const Bytes inner(translated.begin() + 28, translated.end());
  CHECK(isFromTo(inner, 4, kNode, kServer));
  // An error about a packet that was never sent: the quoted addresses have no pairs.
  quoted = between(quoted, kShadow, kRouter);
  world.fromDevice(between(testing::icmp({.family = 6, .type = 3}, quoted), kRouter, kShadow));
  CHECK_EQUAL(world.count(Counters::dropUnmapped), 1u);
  CHECK(!world.written(translated));
}

TEST(error_about_a_packet_from_the_device_goes_to_its_sender) {
  World world(true);
  Bytes packet = toNode(testing::udp({.family = 6}, 100));
  packet[7] = 1;
  world.fromDevice(packet);
  Bytes answer;
  CHECK(world.written(answer) && isFromTo(answer, 6, kShadow, kServerOuter) && answer[40] == 3);
  CHECK_EQUAL(world.count(Counters::refusalsSent), 1u);
}

TEST(receiver_writes_translated_packets) {
  World world(false);
  Receiver receiver(world.shared, world.counters, world.ends[0], 0);
  Bytes packet = toServer(testing::tcp({.family = 4}, 1, 700));
  VirtioHeader virtio;
  const iovec parts[2] = {{&virtio, sizeof virtio}, {packet.data(), packet.size()}};
  receiver.write(parts, 2);
  Bytes translated;
  CHECK(world.written(translated) && isFromTo(translated, 6, kShadow, kServerOuter) &&
        testing::transportRight(translated));
}
