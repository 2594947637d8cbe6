// RFC 7915 §4.1, §4.5, §5.1, §5.5: headers, fragments, checksums.
#include "translate/translate.h"

#include <random>

#include "check.h"
#include "translating.h"

using namespace sojourn;
using testing::Bytes;
using testing::pass;
using testing::Passed;

namespace {

constexpr u16 kDontFragment = 0x4000;
constexpr u16 kMoreFragments = 0x2000;

int number(Verdict verdict) { return static_cast<int>(verdict); }

Bytes behind(const Bytes& packet, size_t from) {
  return Bytes(packet.begin() + static_cast<long>(from), packet.end());
}

}  // namespace

TEST(ipv4_header_becomes_ipv6) {
  Bytes packet = testing::tcp({.family = 4, .trafficClass = 0xb9}, 5, 100);
  Passed passed = pass(packet);
  CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
  CHECK_EQUAL(passed.packet.size(), packet.size() + 20);
  CHECK_EQUAL(load32(passed.packet.data()), 0x6b900000u);
  CHECK_EQUAL(load16(passed.packet.data() + 4), packet.size() - 20);
  CHECK_EQUAL(passed.packet[6], kProtocolTcp);
  CHECK_EQUAL(passed.packet[7], 63);
  Bytes addresses = testing::tcp({.family = 6}, 0, 0);
  CHECK(std::memcmp(passed.packet.data() + 8, addresses.data() + 8, 32) == 0);
  CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
  CHECK(behind(passed.packet, 60) == behind(packet, 40));
  Passed zeroed = pass(packet, {.policy = {.keepTrafficClass = false}});
  CHECK_EQUAL(load32(zeroed.packet.data()), 0x60000000u);
}

TEST(ipv6_header_becomes_ipv4) {
  Bytes packet = testing::udp({.family = 6, .trafficClass = 0xb9}, 100);
  packet[3] = 0x77;  // flow label
  Passed passed = pass(packet, {.identification = 0xabcd});
  CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
  CHECK_EQUAL(passed.packet.size(), packet.size() - 20);
  CHECK_EQUAL(load16(passed.packet.data()), 0x45b9);
  CHECK_EQUAL(load16(passed.packet.data() + 2), passed.packet.size());
  CHECK_EQUAL(load16(passed.packet.data() + 4), 0xabcd);
  CHECK_EQUAL(load16(passed.packet.data() + 6), 0);
  CHECK_EQUAL(passed.packet[8], 63);
  CHECK_EQUAL(passed.packet[9], kProtocolUdp);
  CHECK_EQUAL(ipv4HeaderResidue(passed.packet.data(), 20), 0);
  CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
  CHECK(std::memcmp(passed.packet.data() + 12, testing::udp({.family = 4}, 0).data() + 12, 8) == 0);
}

// §5.1: DF clear up to 1260 octets of IPv4, set above.
TEST(df_is_set_above_1260_octets) {
  for (const size_t total : {1260u, 1261u}) {
    Passed passed = pass(testing::udp({.family = 6}, total - 28));
    CHECK_EQUAL(passed.packet.size(), total);
    CHECK_EQUAL(load16(passed.packet.data() + 6), total > 1260 ? kDontFragment : 0);
  }
}

TEST(protocol_numbers_are_translated_or_rejected) {
  for (unsigned protocol = 0; protocol < 256; protocol++) {
    Bytes four = testing::udp({.family = 4}, 40);
    four[9] = static_cast<u8>(protocol);
    writeIpv4Checksum(four.data(), kIpv4Header);
    const Passed up = pass(four);
    // The numbers of extension headers, IGMP, ICMPv6.
    const bool never = protocol == 0 || protocol == 2 || protocol == 43 || protocol == 44 ||
                       protocol == 58 || protocol == 60;
    const bool icmp = protocol == 1;
    if (!icmp) {
      CHECK_EQUAL(number(up.verdict()), number(never ? Verdict::protocol : Verdict::translated));
    }
    if (!icmp && !never) CHECK_EQUAL(up.packet[6], protocol);
    const bool changed = protocol == 6 || protocol == 17;
    if (!icmp && !never && !changed) CHECK(behind(up.packet, 40) == behind(four, 20));
    Bytes six = testing::udp({.family = 6}, 40);
    six[6] = static_cast<u8>(protocol);
    if (isExtensionHeader(six[6]) || protocol == 58) continue;
    const Passed down = pass(six);
    CHECK_EQUAL(number(down.verdict()),
                number(protocol == 1 || protocol == 2 ? Verdict::protocol : Verdict::translated));
    if (protocol > 2) CHECK_EQUAL(down.packet[9], protocol);
  }
}

TEST(packet_with_exhausted_hop_limit_is_rejected) {
  for (const int family : {4, 6}) {
    for (const u8 left : {0, 1, 2}) {
      Bytes packet = testing::tcp({.family = family}, 1, 10);
      packet[family == 4 ? 8 : 7] = left;
      if (family == 4) writeIpv4Checksum(packet.data(), kIpv4Header);
      Passed passed = pass(packet);
      CHECK_EQUAL(number(passed.verdict()),
                  number(left < 2 ? Verdict::hopLimit : Verdict::translated));
      if (left < 2) CHECK(passed.packet == packet);
      if (left == 2) CHECK_EQUAL(passed.packet[family == 4 ? 7 : 8], 1);
    }
  }
}

TEST(illegal_sources_are_rejected) {
  const u8 four[][4] = {{0, 0, 0, 0},   {0, 1, 2, 3},         {127, 0, 0, 1},  {224, 0, 0, 1},
                        {240, 0, 0, 1}, {255, 255, 255, 255}, {169, 254, 1, 1}};
  for (const auto& source : four) {
    Bytes packet = testing::udp({.family = 4}, 10);
    std::memcpy(packet.data() + 12, source, 4);
    writeIpv4Checksum(packet.data(), kIpv4Header);
    CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::illegalSource));
  }
  const u8 six[][16] = {
      {}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {0xff, 2}, {0xfe, 0x80}, {0xfe, 0xbf}};
  for (const auto& source : six) {
    Bytes packet = testing::udp({.family = 6}, 10);
    std::memcpy(packet.data() + 8, source, 16);
    CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::illegalSource));
  }
}

TEST(wrong_ipv4_header_checksum_is_rejected) {
  Bytes packet = testing::udp({.family = 4}, 10);
  packet[1] ^= 4;
  CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::headerChecksum));
}

TEST(options_are_removed_but_a_source_route_is_rejected) {
  struct Row {
    Bytes options;
    Verdict verdict;
  };
  const Row rows[] = {
      {{1, 1, 1, 0}, Verdict::translated},
      {{148, 4, 0, 0}, Verdict::translated},                            // Router Alert
      {{7, 7, 4, 0, 0, 0, 0, 0}, Verdict::translated},                  // Record Route
      {{131, 7, 4, 192, 0, 2, 9, 0}, Verdict::sourceRoute},             // loose, one left
      {{131, 7, 8, 192, 0, 2, 9, 0}, Verdict::translated},              // loose, used up
      {{137, 7, 4, 192, 0, 2, 9, 0}, Verdict::sourceRoute},             // strict
      {{1, 137, 11, 8, 1, 1, 1, 1, 2, 2, 2, 2}, Verdict::sourceRoute},  // second hop left
      {{0, 137, 7, 4, 192, 0, 2, 9}, Verdict::translated},              // behind the end
      {{131, 40, 4, 0}, Verdict::translated},  // longer than the options: none
  };
  for (const Row& row : rows) {
    const Bytes plain = testing::tcp({.family = 4}, 9, 50);
    const Bytes packet = testing::withOptions(plain, row.options);
    Passed passed = pass(packet);
    CHECK_EQUAL(number(passed.verdict()), number(row.verdict));
    if (row.verdict == Verdict::translated) {
      CHECK(passed.packet == pass(plain).packet);
    } else {
      CHECK(passed.packet == packet);
    }
  }
  // The longest header shrinks.
  const Bytes plain = testing::tcp({.family = 4}, 9, 50);
  CHECK(pass(testing::withOptions(plain, Bytes(40, 1))).packet == pass(plain).packet);
}

TEST(extension_headers_are_removed) {
  const Bytes plain = testing::tcp({.family = 6}, 9, 50);
  const Bytes options = {0, 0, 1, 4, 0, 0, 0, 0};
  const Passed expected = pass(plain);
  CHECK(pass(testing::withExtensions(plain, kProtocolHopByHop, options, 0)).packet ==
        expected.packet);
  CHECK(pass(testing::withExtensions(plain, kProtocolDestination, options, 0)).packet ==
        expected.packet);
  // A routing header without segments left, behind hop-by-hop options, before destination options.
  Bytes chain = options;
  chain[0] = kProtocolRouting;
  chain.insert(chain.end(), {kProtocolDestination, 0, 4, 0, 0, 0, 0, 0});
  chain.insert(chain.end(), options.begin(), options.end());
  CHECK(pass(testing::withExtensions(plain, kProtocolHopByHop, chain, 16)).packet ==
        expected.packet);
  chain[8 + 3] = 2;
  const Bytes routed = testing::withExtensions(plain, kProtocolHopByHop, chain, 16);
  const Passed refused = pass(routed);
  CHECK_EQUAL(number(refused.verdict()), number(Verdict::routingHeader));
  CHECK_EQUAL(refused.translation.value, 40 + 8 + 3);
  CHECK(refused.packet == routed);
  // A header longer than the packet.
  Bytes broken = testing::withExtensions(plain, kProtocolDestination, options, 0);
  broken[41] = 200;
  CHECK_EQUAL(number(pass(broken).verdict()), number(Verdict::malformed));
}

TEST(ipv6_fragments_are_translated) {
  const Bytes plain = testing::udp({.family = 6}, 1000);
  struct Row {
    u16 field;  // offset and M of the Fragment Header
    u16 expected;
  };
  for (const Row& row : {Row{1, kMoreFragments}, Row{0, 0}, Row{1232, 154},
                         Row{1233, kMoreFragments | 154}, Row{0xfff9, kMoreFragments | 0x1fff}}) {
    const Bytes header = {
        0, 0, static_cast<u8>(row.field >> 8), static_cast<u8>(row.field), 0x12, 0x34, 0x56, 0x78};
    Passed passed = pass(testing::withExtensions(plain, kProtocolFragment, header, 0));
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
    CHECK_EQUAL(passed.packet.size(), plain.size() - 20);
    CHECK_EQUAL(load16(passed.packet.data() + 4), 0x5678);
    CHECK_EQUAL(load16(passed.packet.data() + 6), row.expected);
    CHECK_EQUAL(ipv4HeaderResidue(passed.packet.data(), 20), 0);
    // Only the first fragment has the checksum, which is that of the whole datagram.
    const bool first = row.field < 8;
    const Bytes whole = pass(plain).packet;
    CHECK((behind(passed.packet, 20) == behind(plain, 40)) == !first);
    CHECK((behind(passed.packet, 20) == behind(whole, 20)) == first);
  }
  for (const u8 extension : {0, 43, 44, 51, 60, 135, 139, 140}) {
    Bytes packet = testing::withExtensions(plain, kProtocolFragment, {0, 0, 0, 1, 0, 0, 0, 1}, 0);
    packet[40] = extension;
    CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::fragmentedExtension));
  }
  Bytes esp = testing::withExtensions(plain, kProtocolFragment, {0, 0, 0, 1, 0, 0, 0, 1}, 0);
  esp[40] = 50;
  CHECK_EQUAL(number(pass(esp).verdict()), number(Verdict::translated));
}

TEST(ipv4_fragments_are_translated) {
  const Bytes plain = testing::udp({.family = 4}, 1000);
  for (const u16 field : {u16{kMoreFragments}, u16{154}, u16{kMoreFragments | 154},
                          u16{kMoreFragments | kDontFragment | 1}}) {
    Passed passed = pass(testing::withFragmentField(plain, field));
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
    CHECK_EQUAL(passed.packet.size(), plain.size() + 28);
    CHECK_EQUAL(passed.packet[6], kProtocolFragment);
    CHECK_EQUAL(passed.packet[40], kProtocolUdp);
    CHECK_EQUAL(load16(passed.packet.data() + 42),
                (field & 0x1fff) << 3 | (field & kMoreFragments ? 1 : 0));
    CHECK_EQUAL(load32(passed.packet.data() + 44), 7u);
  }
  // §4: no Fragment Header unless needed, with DF or without.
  CHECK_EQUAL(pass(testing::withFragmentField(plain, 0)).packet.size(), plain.size() + 20);
}

TEST(fragment_without_the_checksum_field_is_rejected) {
  Bytes packet = testing::withFragmentField(testing::tcp({.family = 4}, 1, 0), kMoreFragments);
  packet.resize(20 + 16);
  store16(packet.data() + 2, 36);
  writeIpv4Checksum(packet.data(), 20);
  CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::malformed));
  const Bytes echo = testing::icmp({.type = 8}, Bytes(64));
  CHECK_EQUAL(number(pass(testing::withFragmentField(echo, kMoreFragments)).verdict()),
              number(Verdict::icmpFragment));
  CHECK_EQUAL(number(pass(testing::withFragmentField(echo, 9)).verdict()),
              number(Verdict::icmpFragment));
  const Bytes echo6 = testing::icmp({.family = 6, .type = 128}, Bytes(64));
  CHECK_EQUAL(
      number(pass(testing::withExtensions(echo6, 44, {0, 0, 0, 1, 0, 0, 0, 1}, 0)).verdict()),
      number(Verdict::icmpFragment));
  CHECK_EQUAL(
      number(pass(testing::withExtensions(echo6, 44, {0, 0, 0, 0, 0, 0, 0, 1}, 0)).verdict()),
      number(Verdict::translated));
}

TEST(packet_with_df_is_rejected_above_the_mtu) {
  const Bytes packet = testing::udp({.family = 4}, 1481 - 28);
  const Passed refused = pass(packet);
  CHECK_EQUAL(number(refused.verdict()), number(Verdict::tooBig));
  CHECK_EQUAL(refused.translation.value, 1480u);
  CHECK(refused.packet == packet);
  CHECK_EQUAL(number(pass(testing::udp({.family = 4}, 1480 - 28)).verdict()),
              number(Verdict::translated));
  const Passed fragment = pass(testing::withFragmentField(packet, kDontFragment | kMoreFragments));
  CHECK_EQUAL(fragment.translation.value, 1472u);
  const Passed six = pass(testing::udp({.family = 6}, 1400), {.mtu = 1400});
  CHECK_EQUAL(number(six.verdict()), number(Verdict::tooBig));
  CHECK_EQUAL(six.translation.value, 1420u);
  // No error reports less than the minimum MTU of IPv6; the packets that follow it are fragmented
  // here.
  CHECK_EQUAL(pass(testing::udp({.family = 6}, 1400), {.mtu = 600}).translation.value, 1280u);
}

// Reassembles fragments of either family; empty if one is missing.
static Bytes reassembled(const Packets& fragments, size_t mtu) {
  Bytes payload;
  for (size_t index = 0; index < fragments.size(); index++) {
    Bytes fragment = fragments[index];
    CHECK(fragment.size() <= mtu);
    const PacketView view = testing::viewOf(fragment);
    const bool six = view.family == 6;
    const size_t header = six ? 48 : view.headerLength;
    const u16 field = load16(fragment.data() + (six ? 42 : 6));
    const size_t offset = six ? field & 0xfff8u : (field & 0x1fffu) * 8u;
    const bool more = (field & (six ? 1 : kMoreFragments)) != 0;
    if (offset != payload.size() || more != (index + 1 < fragments.size())) return {};
    if (!six) CHECK_EQUAL(ipv4HeaderResidue(fragment.data(), header), 0);
    payload.insert(payload.end(), fragment.begin() + static_cast<long>(header), fragment.end());
  }
  return payload;
}

TEST(packet_without_df_is_fragmented_to_the_lowest_mtu) {
  for (const u32 lowest : {1280u, 1400u}) {
    const testing::Settings settings{.policy = {.lowestIpv6Mtu = lowest}};
    for (const size_t payload :
         {size_t{lowest} - 48, size_t{lowest} - 47, size_t{4000}, size_t{65507}}) {
      Bytes packet = testing::withFragmentField(testing::udp({.family = 4}, payload), 0);
      Bytes whole = pass(testing::udp({.family = 4}, payload), {.mtu = 65535}).packet;
      if (payload < 5000) CHECK_EQUAL(testing::upperResidue(whole), 0);
      const Passed passed = pass(packet, settings);
      const Packets fragments = testing::passApart(packet, settings);
      if (payload + 48 <= lowest) {
        CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
        CHECK(fragments.size() == 1 && fragments[0] == whole);
        continue;
      }
      CHECK_EQUAL(number(passed.verdict()), number(Verdict::fragment));
      CHECK_EQUAL(passed.translation.value, lowest);
      CHECK(fragments.size() > 1);
      const Bytes joined = reassembled(fragments, lowest);
      if (payload < 5000) CHECK(joined == behind(whole, 40));
      CHECK_EQUAL(joined.size(), payload + 8);
      // The partial checksum gives the same result.
      Bytes left = packet;
      const VirtioHeader virtio = testing::makePartial(left);
      CHECK(testing::passApart(left, settings, virtio) == fragments);
    }
  }
}

// A fragment that is too long becomes several. A large echo is fragmented by the translator and so
// may be translated.
TEST(fragments_are_fragmented_again) {
  const Bytes plain = testing::udp({.family = 4}, 1400);
  for (const u16 field : {u16{0}, kMoreFragments}) {
    const Packets pieces =
        testing::passApart(testing::withFragmentField(plain, static_cast<u16>(field | 100)));
    CHECK_EQUAL(pieces.size(), 2u);
    CHECK_EQUAL(load16(pieces[0].data() + 42), 801);
    CHECK_EQUAL(load16(pieces[1].data() + 42), (800 + 1232) | (field != 0 ? 1 : 0));
  }
  Bytes echo = testing::icmp({.type = 8, .word = 0x00010002}, Bytes(3000, 0x5a));
  const Packets pieces = testing::passApart(echo);
  Bytes joined = testing::icmp({.family = 6, .type = 128, .word = 0x00010002}, Bytes(3000, 0x5a));
  CHECK(reassembled(pieces, 1280) == behind(joined, 40));
}

// §5.1.1, last paragraph.
TEST(small_ipv4_link_gets_fragments) {
  Bytes packet = testing::udp({.family = 6}, 1200);
  const testing::Settings settings{.mtu = 600};
  CHECK_EQUAL(number(pass(packet, settings).verdict()), number(Verdict::fragment));
  Bytes whole = pass(packet).packet;
  const Packets fragments = testing::passApart(packet, settings);
  CHECK_EQUAL(fragments.size(), 3u);
  CHECK(reassembled(fragments, 600) == behind(whole, 20));
  const VirtioHeader virtio = testing::makePartial(packet);
  CHECK(testing::passApart(packet, settings, virtio) == fragments);
}

TEST(udp_without_checksum_gets_one_or_is_rejected) {
  Bytes packet = testing::udp({.family = 4}, 101);
  const Bytes expected = pass(packet).packet;
  store16(packet.data() + 26, 0);
  const Passed passed = pass(packet);
  CHECK(passed.translation.checksumComputed && passed.packet == expected);
  CHECK_EQUAL(number(pass(packet, {.policy = {.computeZeroChecksums = false}}).verdict()),
              number(Verdict::zeroChecksum));
  CHECK_EQUAL(number(pass(testing::withFragmentField(packet, kMoreFragments)).verdict()),
              number(Verdict::zeroChecksum));
  // A later fragment has no checksum; the octets at its position are payload.
  CHECK_EQUAL(number(pass(testing::withFragmentField(packet, 100)).verdict()),
              number(Verdict::translated));
  store16(packet.data() + 24, 200);
  CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::malformed));
  store16(packet.data() + 24, 7);
  CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::malformed));
  Bytes six = testing::udp({.family = 6}, 10);
  store16(six.data() + 46, 0);
  CHECK_EQUAL(load16(pass(six).packet.data() + 26), 0);
}

// Zero means "none", so a checksum that computes to zero is sent as all ones.
TEST(udp_checksum_is_never_zero) {
  int seen = 0;
  for (unsigned port = 0; port < 65536; port++) {
    Bytes packet = testing::udp({.family = 4, .sourcePort = static_cast<u16>(port)}, 2);
    const Passed passed = pass(packet);
    const u16 checksum = load16(passed.packet.data() + 46);
    CHECK(checksum != 0);
    if (checksum == 0xffff) seen++;
  }
  CHECK_EQUAL(seen, 1);
}

TEST(packet_too_short_for_its_protocol_is_rejected) {
  for (const int family : {4, 6}) {
    const u8 icmp = family == 4 ? kProtocolIcmp : kProtocolIcmpv6;
    for (const auto& [protocol, least] :
         {std::pair<u8, u32>{kProtocolTcp, 20}, {kProtocolUdp, 8}, {icmp, 8}}) {
      Bytes packet;
      const size_t header =
          testing::writeIp(packet, {.family = family, .protocol = protocol}, least - 1, 7);
      if (protocol == icmp) packet[header] = family == 4 ? 8 : 128;
      CHECK_EQUAL(number(pass(packet).verdict()), number(Verdict::malformed));
    }
  }
}

TEST(wrong_checksum_stays_wrong) {
  for (const int family : {4, 6}) {
    for (Bytes packet :
         {testing::tcp({.family = family}, 3, 90), testing::udp({.family = family}, 90),
          testing::icmp({.family = family, .type = static_cast<u8>(family == 4 ? 8 : 128)},
                        Bytes(90))}) {
      const Bytes good = pass(packet).packet;
      packet.back() ^= 0x11;
      Passed bad = pass(packet);
      Bytes expected = good;
      expected.back() ^= 0x11;
      CHECK(bad.packet == expected && testing::upperResidue(bad.packet) != 0);
    }
  }
}

namespace {

// TCP, UDP or Echo of any length and content, with correct checksums.
Bytes randomPacket(int family, std::mt19937& random) {
  const testing::Flow flow{.family = family,
                           .sourcePort = static_cast<u16>(random()),
                           .destinationPort = static_cast<u16>(random()),
                           .host = static_cast<u8>(random()),
                           .trafficClass = static_cast<u8>(random())};
  const size_t length = random() % 1400;
  Bytes packet;
  switch (random() % 3) {
    case 0:
      return testing::tcp(flow, static_cast<u32>(random()), length, static_cast<u8>(random()));
    case 1:
      return testing::udp(flow, length, static_cast<u8>(random()));
    default:
      break;
  }
  Bytes body(length);
  for (u8& octet : body) octet = static_cast<u8>(random());
  const u8 type = static_cast<u8>((family == 4 ? 0 : 128) + (family == 4 ? 8 : 1) * (random() % 2));
  return testing::icmp({.family = family, .type = type, .word = static_cast<u32>(random())}, body);
}

}  // namespace

TEST(packet_survives_translation_there_and_back) {
  std::mt19937 random(7915);
  for (int count = 0; count < 4000; count++) {
    const int family = count % 2 == 0 ? 4 : 6;
    const Bytes packet = randomPacket(family, random);
    // The translation may grow to any length: DF concerns links, not lengths.
    const testing::Settings wide{.mtu = 9000, .policy = {.lowestIpv6Mtu = 9000}};
    Passed there = pass(packet, wide);
    CHECK_EQUAL(number(there.verdict()), number(Verdict::translated));
    CHECK_EQUAL(testing::upperResidue(there.packet), 0);
    Passed back = pass(there.packet, wide);
    CHECK_EQUAL(number(back.verdict()), number(Verdict::translated));
    Bytes expected = packet;
    if (family == 4) {
      expected[8] = 62;
      store16(expected.data() + 6, expected.size() > 1260 ? kDontFragment : 0u);
      writeIpv4Checksum(expected.data(), 20);
    } else {
      expected[7] = 62;
    }
    CHECK(back.packet == expected);
  }
}

// §4.1, §4.4, §5.1, §5.4: the ICMP error to the sender, in its own family.
TEST(rejected_packets_get_an_icmp_error) {
  struct Case {
    Bytes packet;
    u8 type, code;
    u32 word;
  };
  Bytes late4 = testing::tcp({.family = 4}, 1, 100);
  late4[8] = 1;
  writeIpv4Checksum(late4.data(), 20);
  Bytes late6 = testing::tcp({.family = 6}, 1, 100);
  late6[7] = 1;
  const Case cases[] = {
      {late4, 11, 0, 0},
      {late6, 3, 0, 0},
      {testing::udp({.family = 4}, 1480), 3, 4, 1480},
      {testing::udp({.family = 6}, 1480), 2, 0, 1520},
      {testing::withOptions(testing::tcp({.family = 4}, 1, 100), {131, 7, 4, 192, 0, 2, 9, 0}), 3,
       5, 0},
      {testing::withExtensions(testing::tcp({.family = 6}, 1, 100), kProtocolRouting,
                               {0, 0, 4, 1, 0, 0, 0, 0}, 0),
       4, 0, 43},
  };
  for (const Case& each : cases) {
    Bytes packet = each.packet;
    const PacketView view = testing::viewOf(packet);
    Bytes error = translationError(view, pass(packet).translation, nullptr);
    const size_t header = view.family == 4 ? 20 : 40;
    CHECK(error.size() > header + 8);
    CHECK(error[header] == each.type && error[header + 1] == each.code);
    CHECK_EQUAL(load32(error.data() + header + 4), each.word);
    CHECK_EQUAL(testing::upperResidue(error), 0);
    CHECK(std::equal(error.begin() + static_cast<long>(header) + 8, error.end(), packet.begin()));
  }
  // No error is sent about an ICMP error with an exhausted hop limit, nor about packets that are
  // dropped silently.
  Bytes error = testing::icmp({.type = 11}, late4);
  error[8] = 1;
  writeIpv4Checksum(error.data(), 20);
  CHECK(pass(error).verdict() == Verdict::hopLimit &&
        translationError(testing::viewOf(error), {Verdict::hopLimit}, nullptr).empty());
  CHECK(translationError(testing::viewOf(late6), {Verdict::icmpType}, nullptr).empty());
}
