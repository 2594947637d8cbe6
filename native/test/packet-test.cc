#include "esp/esp-spis.h"
#include "net/ecn.h"
#include "net/icmp.h"
#include "net/outer-header.h"
#include "check.h"
#include "packets.h"

using namespace sojourn;
using testing::Bytes;

TEST(checksum_of_long_and_short_data_agree) {
  Bytes data(4096);
  for (size_t index = 0; index < data.size(); index++) {
    data[index] = static_cast<u8>(index * 31 + index / 7);
  }
  for (size_t from = 0; from < 5; from++) {
    for (size_t length = 0; length < 700; length++) {
      const u16 slow = checksumFold(checksumAddShort(data.data() + from, length, 3));
      CHECK_EQUAL(checksumFold(checksumAdd(data.data() + from, length, 3)) % 0xffff, slow % 0xffff);
    }
  }
}

TEST(checksum_matches_the_example_of_rfc1071) {
  const u8 data[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK_EQUAL(__builtin_bswap16(checksumFold(checksumAdd(data, 8, 0))), 0xddf2);
}

TEST(view_rejects_a_truncated_packet) {
  Bytes packet = testing::tcp({.family = 4}, 1, 100);
  PacketView view;
  CHECK(viewPacket(packet.data(), packet.size(), view));
  for (size_t length = 0; length < packet.size(); length++) {
    CHECK(!viewPacket(packet.data(), length, view));
  }
  packet[0] = 0x44;
  CHECK(!viewPacket(packet.data(), packet.size(), view));
  packet[0] = 0x55;
  CHECK(!viewPacket(packet.data(), packet.size(), view));
}

TEST(view_excludes_padding) {
  Bytes packet = testing::udp({}, 4);
  const size_t length = packet.size();
  packet.resize(length + 12);
  CHECK_EQUAL(testing::viewOf(packet).length, length);
}

// Destination options with a Home Address option (pad of two octets before, for 8n+6), then a
// Mobility Header.
TEST(chain_finds_the_home_address_option) {
  Bytes packet(kIpv6Header + 24 + 8);
  packet[0] = 0x60;
  store16(packet.data() + 4, 32);
  packet[6] = kProtocolDestination;
  u8* options = packet.data() + kIpv6Header;
  options[0] = kProtocolMobility;
  options[1] = 2;
  options[2] = 1;
  options[3] = 2;
  options[6] = 201;
  options[7] = 16;
  const ChainEnd end = walkChain(packet.data(), packet.size());
  CHECK(end.homeAddressOption && !end.malformed && !end.routing);
  CHECK_EQUAL(end.protocol, kProtocolMobility);
  CHECK_EQUAL(end.offset, 64);
  options[1] = 9;
  CHECK(walkChain(packet.data(), packet.size()).malformed);
}

TEST(chain_recognises_type_two_routing_and_fragments) {
  Bytes packet(kIpv6Header + 24 + 8);
  packet[0] = 0x60;
  store16(packet.data() + 4, 32);
  packet[6] = kProtocolRouting;
  u8* routing = packet.data() + kIpv6Header;
  routing[0] = kProtocolMobility;
  routing[1] = 2;
  routing[2] = 2;
  routing[3] = 1;
  CHECK(walkChain(packet.data(), packet.size()).typeTwoRouting);
  packet[6] = kProtocolFragment;
  store16(routing + 2, 1);
  CHECK(walkChain(packet.data(), packet.size()).fragment);
  store16(routing + 2, 0);
  CHECK(!walkChain(packet.data(), packet.size()).fragment);
}

TEST(ecn_follows_figure_4_of_rfc6040) {
  // Figure 4, rows Not-ECT, ECT(0), ECT(1), CE; columns outer Not-ECT, ECT(0), ECT(1), CE. Code
  // points: ECT(0) 2, ECT(1) 1.
  const u8 points[4] = {0, 2, 1, 3};
  const u8 expected[4][4] = {{0, 0, 0, 0xff}, {2, 2, 1, 3}, {1, 1, 1, 3}, {3, 3, 3, 3}};
  for (int inner = 0; inner < 4; inner++) {
    for (int outer = 0; outer < 4; outer++) {
      CHECK_EQUAL(decapsulatedEcn(points[inner], points[outer]), expected[inner][outer]);
    }
  }
}

TEST(set_ecn_updates_the_header_checksum) {
  for (const int family : {4, 6}) {
    Bytes packet = testing::udp({.family = family, .trafficClass = 0xb9}, 20);
    PacketView view = testing::viewOf(packet);
    setEcn(view, 3);
    CHECK_EQUAL(testing::viewOf(packet).trafficClass, 0xbb);
    if (family == 4) CHECK_EQUAL(ipv4HeaderResidue(packet.data(), kIpv4Header), 0);
  }
}

TEST(packet_too_big_reports_the_mtu_but_at_least_1280) {
  Bytes packet = testing::tcp({}, 1, 1400);
  Bytes error = packetTooBig(testing::viewOf(packet), 1400, nullptr);
  CHECK_EQUAL(error.size(), 1280u);
  CHECK_EQUAL(error[40], 2);
  CHECK_EQUAL(load32(error.data() + 44), 1400u);
  CHECK(std::memcmp(error.data() + 8, packet.data() + 24, 16) == 0);
  CHECK(testing::transportRight(error));
  CHECK_EQUAL(load32(packetTooBig(testing::viewOf(packet), 900, nullptr).data() + 44), 1280u);
}

TEST(errors_and_multicast_get_no_error) {
  Bytes packet = testing::tcp({}, 1, 1400);
  Bytes error = packetTooBig(testing::viewOf(packet), 1400, nullptr);
  CHECK(packetTooBig(testing::viewOf(error), 600, nullptr).empty());
  packet[8] = 0xff;
  CHECK(packetTooBig(testing::viewOf(packet), 1400, nullptr).empty());
  Bytes four = testing::tcp({.family = 4}, 1, 1400);
  Bytes needed = packetTooBig(testing::viewOf(four), 1300, nullptr);
  CHECK_EQUAL(needed.size(), 576u);
  CHECK_EQUAL(load16(needed.data() + 26), 1300);
  CHECK(packetTooBig(testing::viewOf(needed), 500, nullptr).empty());
}

TEST(unreachable_quotes_a_truncated_packet) {
  Bytes packet = testing::tcp({}, 1, 1400);
  packet.resize(300);
  PacketView view;
  CHECK(!viewPacket(packet.data(), packet.size(), view));
  CHECK(viewQuoted(packet.data(), packet.size(), view));
  Bytes error = unreachable(view, nullptr);
  CHECK_EQUAL(error.size(), 348u);
  CHECK_EQUAL(error[40], 1);
  CHECK_EQUAL(error[41], 3);
  CHECK_EQUAL(load32(error.data() + 44), 0u);
  CHECK(testing::transportRight(error));
  CHECK(unreachable(testing::viewOf(error), nullptr).empty());

  Bytes four = testing::tcp({.family = 4}, 1, 1400);
  CHECK(viewQuoted(four.data(), 28, view));
  Bytes host = unreachable(view, nullptr);
  CHECK_EQUAL(host.size(), 56u);
  CHECK_EQUAL(host[20], 3);
  CHECK_EQUAL(host[21], 1);
  CHECK_EQUAL(checksumFinish(checksumAdd(host.data() + kIpv4Header, host.size() - kIpv4Header, 0)),
              0);
}

TEST(quotation_shorter_than_a_header_is_rejected) {
  PacketView view;
  for (const int family : {4, 6}) {
    Bytes packet = testing::tcp({.family = family}, 1, 100);
    const size_t header = family == 6 ? kIpv6Header : kIpv4Header;
    for (size_t length = 0; length < header; length++) {
      CHECK(!viewQuoted(packet.data(), length, view));
    }
    CHECK(viewQuoted(packet.data(), header, view));
  }
  Bytes options = testing::tcp({.family = 4}, 1, 100);
  options[0] = 0x46;
  CHECK(!viewQuoted(options.data(), kIpv4Header, view));
  options[0] = 0x44;
  CHECK(!viewQuoted(options.data(), options.size(), view));
}

TEST(errors_are_rate_limited) {
  IcmpRateLimit limit;
  int allowed = 0;
  for (int index = 0; index < 1000; index++) allowed += limit.allow(5000);
  CHECK_EQUAL(allowed, 50);
  CHECK(!limit.allow(5005));
  CHECK(limit.allow(5020));
}

static Bytes joined4(const Packets& fragments) {
  Bytes payload;
  for (const Bytes& fragment : fragments) {
    CHECK_EQUAL(ipv4HeaderResidue(fragment.data(), kIpv4Header), 0);
    CHECK_EQUAL((load16(fragment.data() + 6) & 0x1fff) * 8u, payload.size());
    payload.insert(payload.end(), fragment.begin() + kIpv4Header, fragment.end());
  }
  return payload;
}

TEST(ipv4_fragments_reassemble_to_the_packet) {
  Bytes packet = testing::udp({.family = 4}, 3001);
  packet[6] = 0;
  writeIpv4Checksum(packet.data(), kIpv4Header);
  for (const size_t mtu : {68, 576, 1400, 4000}) {
    const Packets fragments = fragmentIpv4(testing::viewOf(packet), mtu);
    for (const Bytes& fragment : fragments) CHECK(fragment.size() <= mtu);
    CHECK(joined4(fragments) == Bytes(packet.begin() + kIpv4Header, packet.end()));
    CHECK_EQUAL(load16(fragments.back().data() + 6) & 0x2000, 0);
  }
  CHECK(fragmentIpv4(testing::viewOf(packet), 27).empty());
}

constexpr OuterPath kIpInIpv6{.carrier = Carrier::ip, .family = 6};
constexpr OuterPath kUdpOverIpv4{.carrier = Carrier::udp, .family = 4, .remotePort = 4191};

TEST(outer_packet_is_fragmented_to_the_mtu) {
  Bytes inner = testing::tcp({}, 1, 1220);
  const OuterPayload payload = OuterPayload::of(testing::viewOf(inner));
  const Packets v6 = encapsulateFragmented(kIpInIpv6, payload,
                                           {.mtu = 1280, .sourcePort = 4191, .identification = 5});
  CHECK_EQUAL(v6.size(), 2u);
  Bytes joined6;
  for (const Bytes& fragment : v6) {
    joined6.insert(joined6.end(), fragment.begin() + 48, fragment.end());
  }
  CHECK(joined6 == inner);
  const Packets v4 = encapsulateFragmented(kUdpOverIpv4, payload,
                                           {.mtu = 600, .sourcePort = 4191, .identification = 5});
  Bytes whole = joined4(v4);
  CHECK(Bytes(whole.begin() + kUdpHeader, whole.end()) == inner);
  CHECK_EQUAL(load16(whole.data() + 4), inner.size() + kUdpHeader);
}

TEST(outer_header_copies_the_traffic_class) {
  u8 header[kMaximumOuterHeader];
  CHECK_EQUAL(writeOuterHeader(kIpInIpv6, kProtocolIpv4, 0xb9, 100, header), kIpv6Header);
  CHECK_EQUAL(load32(header) >> 20, 0x6b9u);
  CHECK_EQUAL(header[6], kProtocolIpv4);
  CHECK_EQUAL(header[7], 64);
}

// `inside` carried in IPv6 by protocol 41, or behind a UDP header with the given ports.
static Bytes carried(const Bytes& inside, u8 protocol, u16 sourcePort = 0,
                     u16 destinationPort = 0) {
  const size_t header = protocol == kProtocolUdp ? 8 : 0;
  Bytes packet(kIpv6Header + header + inside.size());
  packet[0] = 0x60;
  store16(packet.data() + 4, static_cast<u16>(header + inside.size()));
  packet[6] = protocol;
  if (header != 0) {
    store16(packet.data() + kIpv6Header, sourcePort);
    store16(packet.data() + kIpv6Header + 2, destinationPort);
  }
  std::copy(inside.begin(), inside.end(), packet.end() - static_cast<long>(inside.size()));
  return packet;
}

static unsigned depthOf(Bytes packet) {
  PacketView view;
  return viewPacket(packet.data(), packet.size(), view) ? encapsulations(view, 4191) : 99;
}

TEST(encapsulations_are_counted_up_to_the_limit) {
  Bytes packet = testing::tcp({}, 1, 100);
  for (unsigned depth = 0; depth <= kNestingLimit + 2; depth++) {
    CHECK_EQUAL(depthOf(packet), depth < kNestingLimit ? depth : kNestingLimit);
    packet =
        depth % 2 == 0 ? carried(packet, kProtocolIpv6) : carried(packet, kProtocolUdp, 4191, 6000);
  }
  // Only the port of RFC 5555 counts as a tunnel, and only if a packet is inside.
  CHECK_EQUAL(depthOf(carried(testing::tcp({}, 1, 100), kProtocolUdp, 53, 53)), 0u);
  CHECK_EQUAL(depthOf(carried(testing::tcp({}, 1, 100), kProtocolUdp, 53, 4191)), 1u);
  CHECK_EQUAL(depthOf(carried(Bytes(40), kProtocolIpv6)), 0u);
  for (size_t length = 0; length < 8; length++) {
    CHECK_EQUAL(depthOf(carried(Bytes(length), kProtocolIpv6)), 0u);
  }
}

// --- ESP packets that the engine receives ---

namespace {

constexpr u32 kSpi = 0x1001;

// An IPv6 packet with `octets` of ESP behind a Home Address option, or without it.
Bytes espPacket(u32 spi, size_t octets, bool option) {
  testing::Flow flow;
  flow.protocol = option ? kProtocolDestination : kProtocolEsp;
  const size_t header = option ? 24 : 0;
  Bytes packet;
  testing::writeIp(packet, flow, header + octets, 0);
  if (option) {
    u8* options = packet.data() + kIpv6Header;
    options[0] = kProtocolEsp;
    options[1] = 2;
    options[2] = 1;
    options[3] = 2;
    options[6] = 201;
    options[7] = 16;
  }
  if (octets >= 4) store32(packet.data() + kIpv6Header + header, spi);
  return packet;
}

bool taken(const EspSpis& spis, Bytes packet) {
  PacketView view;
  CHECK(viewPacket(packet.data(), packet.size(), view));
  return spis.takes(view, walkChain(packet.data(), packet.size()));
}

}  // namespace

TEST(esp_packets_are_taken_by_their_spi) {
  EpochDomain domain;
  EspSpis spis;
  CHECK(!spis.any());
  CHECK(!taken(spis, espPacket(kSpi, 40, false)));
  spis.set(kSpi, domain);
  spis.set(kSpi, domain);
  CHECK(spis.any());
  for (const bool option : {false, true}) {
    CHECK(taken(spis, espPacket(kSpi, 40, option)));
    CHECK(taken(spis, espPacket(kSpi, kEspHeader, option)));
    CHECK(!taken(spis, espPacket(kSpi + 1, 40, option)));
    for (size_t octets = 0; octets < kEspHeader; octets++) {
      CHECK(!taken(spis, espPacket(kSpi, octets, option)));
    }
  }
  spis.erase(kSpi, domain);
  spis.erase(kSpi, domain);
  CHECK(!spis.any());
  CHECK(!taken(spis, espPacket(kSpi, 40, false)));
}

TEST(esp_packets_are_not_taken_in_other_headers) {
  EpochDomain domain;
  EspSpis spis;
  spis.set(kSpi, domain);
  Bytes other = espPacket(kSpi, 40, false);
  other[6] = kProtocolUdp;
  CHECK(!taken(spis, other));
  // The header chain does not end within the packet.
  Bytes endless = espPacket(kSpi, 40, true);
  endless[kIpv6Header + 1] = 200;
  CHECK(!taken(spis, endless));
}
