// RFC 7915 §4.2, §4.3, §5.2, §5.3: every row of the tables in both directions, and the packets that
// errors quote.
#include "translate/translate-icmp.h"

#include "check.h"
#include "translating.h"

using namespace sojourn;
using testing::Bytes;
using testing::pass;
using testing::Passed;

namespace {

int number(Verdict verdict) { return static_cast<int>(verdict); }

// The beginning of a packet from .2 to .1, as a router quotes it.
Bytes quoteOf(int family, size_t length, size_t payload = 600) {
  Bytes packet = testing::tcp({.family = family}, 0x11223344, payload);
  packet.resize(length);
  return packet;
}

u32 ipHeader(const Bytes& packet) { return packet[0] >> 4 == 6 ? 40 : 20; }
const u8* message(const Bytes& packet) { return packet.data() + ipHeader(packet); }
Bytes quoted(const Bytes& packet) {
  return Bytes(packet.begin() + ipHeader(packet) + 8, packet.end());
}

Passed passError(int family, u8 type, u8 code, u32 word, const Bytes& quote,
                 const testing::Settings& settings = {}) {
  return pass(testing::icmp({.family = family, .type = type, .code = code, .word = word}, quote),
              settings);
}

// The octets of RFC 4884: `before` octets of the packet with padding, and an extension that is easy
// to find.
Bytes withExtension(Bytes quote, size_t before, size_t extension = 16) {
  quote.resize(before);
  quote.insert(quote.end(), extension, 0xee);
  return quote;
}

size_t extensionAt(const Bytes& quote) {
  size_t at = quote.size();
  while (at > 0 && quote[at - 1] == 0xee) at--;
  return at;
}

struct Row {
  u8 type, code;
  int toType, toCode;  // -1: dropped
  u32 word = 0, toWord = 0;
};

void checkRows(int family, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    Passed passed = passError(family, row.type, row.code, row.word, quoteOf(family, 68));
    if (row.toType < 0) {
      CHECK_EQUAL(number(passed.verdict()), number(Verdict::icmpType));
      continue;
    }
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
    CHECK_EQUAL(message(passed.packet)[0], row.toType);
    CHECK_EQUAL(message(passed.packet)[1], row.toCode);
    CHECK_EQUAL(load32(message(passed.packet) + 4), row.toWord);
    CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
  }
}

}  // namespace

TEST(icmpv4_errors_follow_the_table) {
  checkRows(4, {{3, 0, 1, 0},       {3, 1, 1, 0},
                {3, 2, 4, 1, 0, 6}, {3, 3, 1, 4},
                {3, 5, 1, 0},       {3, 6, 1, 0},
                {3, 7, 1, 0},       {3, 8, 1, 0},
                {3, 9, 1, 1},       {3, 10, 1, 1},
                {3, 11, 1, 0},      {3, 12, 1, 0},
                {3, 13, 1, 1},      {3, 14, -1, 0},
                {3, 15, 1, 1},      {3, 16, -1, 0},
                {3, 255, -1, 0},    {4, 0, -1, 0},
                {5, 0, -1, 0},      {5, 1, -1, 0},
                {6, 0, -1, 0},      {11, 0, 3, 0},
                {11, 1, 3, 1},      {12, 1, -1, 0},
                {12, 3, -1, 0},     {3, 4, 2, 0, 1400, 1420}});
}

TEST(icmpv6_errors_follow_the_table) {
  checkRows(6, {{1, 0, 3, 1},
                {1, 1, 3, 10},
                {1, 2, 3, 1},
                {1, 3, 3, 1},
                {1, 4, 3, 3},
                {1, 5, -1, 0},
                {1, 6, -1, 0},
                {3, 0, 11, 0},
                {3, 1, 11, 1},
                {4, 1, 3, 2, 6},
                {4, 2, -1, 0},
                {4, 3, -1, 0},
                {0, 0, -1, 0},
                {5, 0, -1, 0},
                {100, 0, -1, 0},
                {127, 0, -1, 0},
                {2, 0, 3, 4, 1400, 1380}});
}

// Figures 3 and 6, every pointer.
TEST(pointers_follow_figures_3_and_6) {
  constexpr int kFrom4[20] = {0, 1, 4, 4, -1, -1, -1, -1, 7, 6, -1, -1, 8, 8, 8, 8, 24, 24, 24, 24};
  constexpr int kFrom6[8] = {0, 1, -1, -1, 2, 2, 9, 8};
  for (u32 pointer = 0; pointer < 256; pointer++) {
    const int to6 = pointer < 20 ? kFrom4[pointer] : -1;
    const int to4 = pointer < 8 ? kFrom6[pointer] : pointer < 24 ? 12 : pointer < 40 ? 16 : -1;
    for (const u8 code : {0, 2}) {
      checkRows(4, {{12, code, to6 < 0 ? -1 : 4, 0, pointer << 24, static_cast<u32>(to6)}});
    }
    checkRows(6, {{4, 0, to4 < 0 ? -1 : 12, 0, pointer, static_cast<u32>(to4) << 24}});
  }
  checkRows(6, {{4, 0, -1, 0, 0x01000000, 0}});
}

TEST(icmp_queries_are_translated) {
  for (unsigned number8 = 0; number8 < 256; number8++) {
    const u8 type = static_cast<u8>(number8);
    for (const int family : {4, 6}) {
      if (isIcmpErrorType(static_cast<u8>(family), type)) continue;
      const bool request = type == (family == 4 ? 8 : 128);
      const bool echo = request || type == (family == 4 ? 0 : 129);
      Passed passed =
          pass(testing::icmp({.family = family, .type = type, .word = 0x00070009}, Bytes(57, 9)));
      CHECK_EQUAL(number(passed.verdict()), number(echo ? Verdict::translated : Verdict::icmpType));
      if (!echo) continue;
      const u8 expected = family == 4 ? (request ? 128 : 129) : (request ? 8 : 0);
      CHECK_EQUAL(message(passed.packet)[0], expected);
      CHECK_EQUAL(load32(message(passed.packet) + 4), 0x00070009u);
      CHECK(quoted(passed.packet) == Bytes(57, 9));
      CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
    }
  }
}

TEST(echo_reply_of_zeros_has_a_correct_checksum) {
  Passed passed = pass(testing::icmp({.family = 6, .type = 129}, Bytes(30)));
  CHECK(passed.packet[20] == 0 && load16(passed.packet.data() + 22) == 0xffff);
  CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
  CHECK(pass(passed.packet).packet == [] {
    Bytes expected = testing::icmp({.family = 6, .type = 129}, Bytes(30));
    expected[7] = 62;
    return expected;
  }());
}

// §4.2, code 4: maximum(1280, minimum(reported + 20, IPv6 MTU, IPv4 MTU + 20)).
TEST(mtu_for_ipv6_is_bounded_by_both_sides) {
  struct Case {
    u32 reported, mtu, originMtu, expected;
  };
  for (const Case& each : {Case{1400, 1500, 1500, 1420},
                           {68, 1500, 1500, 1280},
                           {1260, 1500, 1500, 1280},
                           {1261, 1500, 1500, 1281},
                           {9000, 1500, 9000, 1500},
                           {9000, 9000, 1500, 1520},
                           {65535, 65535, 65535, 65535}}) {
    const Passed passed = passError(4, 3, 4, each.reported, quoteOf(4, 28),
                                    {.mtu = each.mtu, .originMtu = each.originMtu});
    CHECK_EQUAL(load32(message(passed.packet) + 4), each.expected);
  }
}

// RFC 1191 §7.1: by the quoted Total Length, if the router reported no MTU.
TEST(mtu_without_a_report_comes_from_the_plateaus) {
  struct Case {
    u32 total, expected;
  };
  for (const Case& each : {Case{65535, 32020},
                           {32001, 32020},
                           {32000, 17934},
                           {17914, 8186},
                           {8166, 4372},
                           {4352, 2022},
                           {2002, 1512},
                           {1493, 1512},
                           {1492, 1280},
                           {1006, 1280},
                           {100, 1280}}) {
    Bytes quote = quoteOf(4, 28);
    store16(quote.data() + 2, each.total);
    const Passed passed = passError(4, 3, 4, 0, quote, {.mtu = 65535, .originMtu = 65535});
    CHECK_EQUAL(load32(message(passed.packet) + 4), each.expected);
  }
}

// §5.2: minimum(reported - 20, IPv4 MTU, IPv6 MTU - 20), and 8 less behind a Fragment Header.
TEST(mtu_for_ipv4_is_bounded_by_both_sides) {
  struct Case {
    u32 reported, mtu, originMtu, expected, fragment;
  };
  for (const Case& each : {Case{1400, 1500, 1500, 1380, 1372},
                           {9000, 1500, 9000, 1500, 1500},
                           {9000, 9000, 1500, 1480, 1472},
                           {1280, 1500, 1500, 1260, 1252},
                           {0, 1500, 1500, 68, 68},
                           {0xffffffff, 70000, 0xffffffff, 65535, 65535}}) {
    const testing::Settings settings{.mtu = each.mtu, .originMtu = each.originMtu};
    const Passed passed = passError(6, 2, 0, each.reported, quoteOf(6, 100), settings);
    CHECK_EQUAL(load32(message(passed.packet) + 4), each.expected);
    const Bytes fragment = testing::withExtensions(quoteOf(6, 100, 40), kProtocolFragment,
                                                   {0, 0, 0, 1, 0, 0, 0, 9}, 0);
    CHECK_EQUAL(load32(message(passError(6, 2, 0, each.reported, fragment, settings).packet) + 4),
                each.fragment);
  }
}

// The quoted packet is the translation of the original packet but for the hop limit, truncated
// where the router truncated it.
TEST(quoted_packet_is_translated_as_far_as_it_is_quoted) {
  for (const int family : {4, 6}) {
    const u8 protocols[3] = {kProtocolTcp, kProtocolUdp, 0};
    for (const u8 protocol : protocols) {
      const u8 echo = family == 4 ? 8 : 128;
      Bytes whole =
          protocol == kProtocolTcp ? testing::tcp({.family = family}, 77, 200)
          : protocol == kProtocolUdp
              ? testing::udp({.family = family}, 200)
              : testing::icmp({.family = family, .type = echo, .word = 99}, Bytes(200, 5));
      const u32 header = ipHeader(whole);
      Bytes translated = pass(whole, {.identification = 0}).packet;
      // The quoted hop limit stays; IPv6 does not have DF and identification.
      translated[family == 4 ? 7 : 8] = 64;
      if (family == 6) writeIpv4Checksum(translated.data(), 20);
      for (size_t there = header + 8; there <= whole.size(); there++) {
        Bytes quote = whole;
        quote.resize(there);
        Passed passed = passError(family, family == 4 ? 3 : 1, 1, 0, quote);
        CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
        Bytes expected = translated;
        expected.resize(there - header + (family == 4 ? 40 : 20));
        // Half of a TCP checksum cannot be translated.
        if (protocol == kProtocolTcp && there == header + 17) expected.back() = quote.back();
        CHECK(quoted(passed.packet) == expected);
        CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
      }
    }
  }
}

TEST(quoted_fragments_and_options_are_translated) {
  const Bytes plain = testing::udp({.family = 4}, 600);
  Bytes quote = testing::withFragmentField(plain, 0x2000);
  Passed first = passError(4, 11, 1, 0, quote);
  CHECK(quoted(first.packet) == [&] {
    Bytes expected = pass(quote).packet;
    expected[7] = 64;
    return expected;
  }());
  const Passed optioned = passError(4, 11, 0, 0, testing::withOptions(plain, Bytes(40, 1)));
  CHECK(quoted(optioned.packet) == quoted(passError(4, 11, 0, 0, plain).packet));
  const Bytes six = testing::udp({.family = 6}, 600);
  const Bytes chained =
      testing::withExtensions(six, kProtocolDestination, {0, 0, 1, 4, 0, 0, 0, 0}, 0);
  CHECK(quoted(passError(6, 3, 0, 0, chained).packet) == quoted(passError(6, 3, 0, 0, six).packet));
  // Truncated within the extension headers, the packet cannot be translated.
  CHECK_EQUAL(number(passError(6, 3, 0, 0, Bytes(chained.begin(), chained.begin() + 44)).verdict()),
              number(Verdict::malformed));
  Bytes fragment =
      testing::withExtensions(six, kProtocolFragment, {0, 0, 0x01, 0x01, 0, 1, 0x77, 0x88}, 0);
  const Passed later = passError(6, 3, 1, 0, fragment);
  CHECK_EQUAL(load16(quoted(later.packet).data() + 4), 0x7788);
  CHECK_EQUAL(load16(quoted(later.packet).data() + 6), 0x2020);
}

TEST(quoted_packet_gets_df_by_its_length) {
  for (const size_t payload : {1240u - 20, 1241u - 20}) {
    const Passed passed = passError(6, 2, 0, 1300, quoteOf(6, 100, payload));
    CHECK_EQUAL(load16(quoted(passed.packet).data() + 6), payload > 1220 ? 0x4000 : 0);
    CHECK_EQUAL(load16(quoted(passed.packet).data() + 2), payload + 40);
  }
}

TEST(errors_with_untranslatable_quotations_are_dropped) {
  for (const int family : {4, 6}) {
    const u8 unreachable = family == 4 ? 3 : 1;
    const u8 echo = family == 4 ? 8 : 128;
    Bytes original = quoteOf(family, 68);
    const Bytes error = testing::icmp({.family = family, .type = unreachable}, original);
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, error).verdict()),
                number(Verdict::nestedError));
    Bytes unknown = testing::icmp(
        {.family = family, .type = static_cast<u8>(family == 4 ? 13 : 133)}, Bytes(8));
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, unknown).verdict()),
                number(Verdict::icmpType));
    Bytes strange = original;
    strange[family == 4 ? 16 : 25] ^= 1;
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, strange).verdict()),
                number(Verdict::unmapped));
    Bytes other = quoteOf(family == 4 ? 6 : 4, 68);
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, other).verdict()),
                number(Verdict::malformed));
    CHECK_EQUAL(
        number(passError(family, unreachable, 0, 0, Bytes(original.begin(), original.begin() + 19))
                   .verdict()),
        number(Verdict::malformed));
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, {}).verdict()),
                number(Verdict::malformed));
    Bytes ping = testing::icmp({.family = family, .type = echo}, Bytes(8));
    ping.resize(ipHeader(ping) + 3);
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, ping).verdict()),
                number(Verdict::malformed));
    Bytes protocol = original;
    protocol[family == 4 ? 9 : 6] = family == 4 ? kProtocolIcmpv6 : kProtocolIcmp;
    CHECK_EQUAL(number(passError(family, unreachable, 0, 0, protocol).verdict()),
                number(Verdict::protocol));
  }
  Bytes fragmentOfPing = testing::withFragmentField(testing::icmp({.type = 8}, Bytes(8)), 0x2000);
  CHECK_EQUAL(number(passError(4, 11, 1, 0, fragmentOfPing).verdict()),
              number(Verdict::icmpFragment));
  // UDP without checksum stays so: the whole datagram is not quoted.
  Bytes none = testing::udp({.family = 4}, 100);
  store16(none.data() + 26, 0);
  CHECK_EQUAL(load16(quoted(passError(4, 3, 3, 0, none).packet).data() + 46), 0);
  // A header whose length is too small.
  Bytes small = quoteOf(4, 68);
  store16(small.data() + 2, 19);
  CHECK_EQUAL(number(passError(4, 3, 3, 0, small).verdict()), number(Verdict::malformed));
}

TEST(error_from_a_router_without_pair_is_translated) {
  for (const int family : {4, 6}) {
    Bytes error =
        testing::icmp({.family = family, .type = static_cast<u8>(family == 4 ? 11 : 3), .host = 0},
                      quoteOf(family, 68));
    CHECK(isIcmpError(testing::viewOf(error)));
    Passed passed = pass(error);
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
    CHECK_EQUAL(passed.packet[12], family == 4 ? 0xff : 198);
    CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
    // §4.1: an error is translated even with an illegal source.
    std::memset(error.data() + (family == 4 ? 12 : 8), 0, family == 4 ? 4 : 16);
    if (family == 4) writeIpv4Checksum(error.data(), kIpv4Header);
    testing::finishIcmp(error);
    CHECK_EQUAL(number(pass(error).verdict()), number(Verdict::translated));
  }
  Bytes echo = testing::icmp({.type = 8}, {});
  CHECK(!isIcmpError(testing::viewOf(echo)));
  Bytes plain = testing::tcp({.family = 6}, 1, 1);
  CHECK(!isIcmpError(testing::viewOf(plain)));
}

TEST(errors_are_truncated_to_the_size_allowed) {
  Passed up = passError(4, 11, 0, 0, quoteOf(4, 1460, 1440));
  CHECK_EQUAL(up.packet.size(), 1280u);
  CHECK_EQUAL(testing::upperResidue(up.packet), 0);
  Passed down = passError(6, 3, 0, 0, quoteOf(6, 1440, 1440));
  CHECK_EQUAL(down.packet.size(), 1260u);
  CHECK_EQUAL(load16(down.packet.data() + 6), 0);
  CHECK_EQUAL(testing::upperResidue(down.packet), 0);
}

TEST(error_with_wrong_checksum_keeps_it_wrong) {
  for (const int family : {4, 6}) {
    Bytes error = testing::icmp({.family = family, .type = static_cast<u8>(family == 4 ? 11 : 3)},
                                quoteOf(family, 100));
    Bytes good = pass(error).packet;
    store16(error.data() + ipHeader(error) + 2,
            load16(error.data() + ipHeader(error) + 2) + 0x0102u);
    Bytes bad = pass(error).packet;
    CHECK(testing::upperResidue(good) == 0 && testing::upperResidue(bad) != 0);
    CHECK_EQUAL(static_cast<u16>(load16(bad.data() + ipHeader(bad) + 2) -
                                 load16(good.data() + ipHeader(good) + 2)),
                0x0102);
  }
}

// RFC 4884: the length counts 4 octets in ICMPv4 and 8 in ICMPv6, and is at least 128 octets.
TEST(icmp_extensions_are_kept) {
  struct Case {
    int family;
    size_t before, expected;
  };
  for (const Case& each : {Case{4, 128, 152},
                           {4, 132, 152},
                           {4, 136, 160},
                           {4, 500, 520},
                           {6, 128, 128},
                           {6, 136, 128},
                           {6, 152, 132},
                           {6, 160, 140}}) {
    const u8 type = each.family == 4 ? 11 : 3;
    const u32 word =
        static_cast<u32>(each.family == 4 ? each.before / 4 << 16 : each.before / 8 << 24);
    Passed passed = passError(each.family, type, 0, word,
                              withExtension(quoteOf(each.family, 600), each.before));
    CHECK_EQUAL(number(passed.verdict()), number(Verdict::translated));
    const Bytes quote = quoted(passed.packet);
    CHECK_EQUAL(quote.size(), each.expected + 16);
    CHECK_EQUAL(extensionAt(quote), each.expected);
    CHECK_EQUAL(each.family == 4 ? message(passed.packet)[4] * 8u : message(passed.packet)[5] * 4u,
                each.expected);
    CHECK_EQUAL(testing::upperResidue(passed.packet), 0);
    // All but the padding is the packet.
    const Passed plain = passError(each.family, type, 0, 0, quoteOf(each.family, each.before));
    const Bytes bare = quoted(plain.packet);
    CHECK(std::equal(bare.begin(), bare.end(), quote.begin()));
    for (size_t at = bare.size(); at < each.expected; at++) CHECK_EQUAL(quote[at], 0);
  }
}

TEST(icmp_extension_without_room_is_left_out) {
  // ICMPv6 has no length in these messages: the extension is left out.
  for (const auto& [type, code, word] :
       {std::tuple<u8, u8, u32>{3, 2, 32u << 16}, {3, 4, 32u << 16 | 1400}, {12, 0, 32u << 16}}) {
    const Passed passed = passError(4, type, code, word, withExtension(quoteOf(4, 600), 128));
    CHECK_EQUAL(quoted(passed.packet).size(), 148u);
    CHECK_EQUAL(extensionAt(quoted(passed.packet)), 148u);
  }
  // Too short to be valid, or past the end: all octets are the packet.
  CHECK_EQUAL(
      quoted(passError(4, 11, 0, 20u << 16, withExtension(quoteOf(4, 600), 80)).packet).size(),
      100u);
  CHECK_EQUAL(
      quoted(passError(4, 11, 0, 200u << 16, withExtension(quoteOf(4, 600), 128)).packet).size(),
      128u + 16 + 20);
  // No room for 128 octets of the packet beside the extension.
  const Passed large = passError(4, 11, 0, 32u << 16, withExtension(quoteOf(4, 600), 128, 1200));
  CHECK_EQUAL(quoted(large.packet).size(), 148u);
  CHECK_EQUAL(message(large.packet)[4], 0);
  // Room for less of the packet than is quoted.
  Passed shorter = passError(4, 11, 0, 200u << 16, withExtension(quoteOf(4, 800, 1000), 800, 500));
  CHECK_EQUAL(message(shorter.packet)[4] * 8u, (1232u - 500) / 8 * 8);
  CHECK_EQUAL(extensionAt(quoted(shorter.packet)), (1232u - 500) / 8 * 8);
  CHECK_EQUAL(testing::upperResidue(shorter.packet), 0);
}

TEST(error_survives_translation_there_and_back) {
  for (const int family : {4, 6}) {
    const Bytes error = testing::icmp({.family = family,
                                       .type = static_cast<u8>(family == 4 ? 3 : 1),
                                       .code = static_cast<u8>(family == 4 ? 3 : 4)},
                                      quoteOf(family, 200));
    Bytes expected = error;
    expected[family == 4 ? 8 : 7] = 62;
    Bytes back = pass(pass(error).packet).packet;
    if (family == 4) {
      // IPv6 does not keep the identification and DF of the quoted packet.
      writeIpv4Checksum(expected.data(), 20);
      store16(expected.data() + 28 + 4, 0);
      store16(expected.data() + 28 + 6, 0);
      writeIpv4Checksum(expected.data() + 28, 20);
      testing::finishIcmp(expected);
    }
    CHECK(back == expected);
  }
}
