// Control packets of unknown senders: the queue that shares room and service between their sources,
// and the checks of handshakes (MAC1, cookie, rate of the prefixes) and of registrations.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <openssl/params.h>

#include "control/control-gate.h"
#include "seal/aead-library.h"
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

namespace {

constexpr size_t kLength = 200;
constexpr u16 kPort = 4000;

ShortHmac keyOf(u8 octet) {
  u8 key[32];
  std::memset(key, octet, sizeof key);
  return ShortHmac(key, sizeof key);
}

struct Initiation {
  u8 octets[kLength] = {0xa0};

  void sign(const ShortHmac& key, size_t at) {
    u8 mac[kShortHmac];
    key.sign(octets, at, mac);
    std::memcpy(octets + at, mac, sizeof mac);
  }
};

Initiation withCookie(int family, const Address& source, u8 secret = 2) {
  Initiation made;
  made.sign(keyOf(1), kLength - 32);
  u8 endpoint[18];
  const size_t octets = family == 6 ? 16 : 4;
  std::memcpy(endpoint, source.bytes, octets);
  store16(endpoint + octets, kPort);
  u8 cookie[kShortHmac];
  keyOf(secret).sign(endpoint, octets + 2, cookie);
  made.sign(ShortHmac(cookie, sizeof cookie), kLength - 16);
  return made;
}

Address four(u32 host) {
  Address address{};
  store32(address.bytes, host);
  return address;
}

Address six(u32 site, u32 link, u32 host) {
  Address address{};
  store32(address.bytes, 0x20010db8);
  store16(address.bytes + 4, site);
  store16(address.bytes + 6, link);
  store32(address.bytes + 12, host);
  return address;
}

struct Checked {
  std::unique_ptr<HandshakeCheck> check = std::make_unique<HandshakeCheck>();
  CookieReply reply;

  Checked() { setKeys(1000); }
  void setKeys(u64 nowMs) {
    check->set({.mac1 = keyOf(1),
                .cookieSecrets = {keyOf(3), keyOf(2)},
                .cookieKey = {4},
                .perSecond = 100},
               nowMs);
  }
  HandshakeVerdict verdict(const Initiation& sent, int family, const Address& source,
                           u16 port = kPort, u64 nowMs = 1000) {
    return check->check(sent.octets, kLength, family, source, port, nowMs, reply);
  }
  // How many of `count` with a cookie pass.
  template <class Source>
  u32 passed(u32 count, int family, Source source) {
    u32 sum = 0;
    for (u32 index = 0; index < count; index++) {
      const Address from = source(index);
      const auto found = verdict(withCookie(family, from), family, from);
      sum += found == HandshakeVerdict::proved ? 1u : 0u;
    }
    return sum;
  }
};

}  // namespace

TEST(a_short_hmac_is_that_of_rfc_4231) {
  // Test case 2.
  const std::string data = "what do ya want for nothing?";
  static constexpr u8 kMac[kShortHmac] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                          0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7};
  const ShortHmac hmac(reinterpret_cast<const u8*>("Jefe"), 4);
  CHECK(hmac.verify(reinterpret_cast<const u8*>(data.data()), data.size(), kMac));
  CHECK(!hmac.verify(reinterpret_cast<const u8*>(data.data()), data.size() - 1, kMac));
}

TEST(a_handshake_needs_mac1_and_then_the_cookie_of_its_source) {
  Checked checked;
  const Address source = four(0xc6336401);
  Initiation sent = withCookie(4, source);
  CHECK(checked.verdict(sent, 4, source) == HandshakeVerdict::proved);
  CHECK(checked.verdict(sent, 4, four(0xc6336402)) == HandshakeVerdict::unproved);
  CHECK(checked.verdict(sent, 4, source, kPort + 1) == HandshakeVerdict::unproved);
  std::memset(sent.octets + kLength - 16, 0, 16);
  CHECK(checked.verdict(sent, 4, source) == HandshakeVerdict::unproved);
  sent.octets[60] ^= 1;
  CHECK(checked.verdict(sent, 4, source) == HandshakeVerdict::wrongMac);
  CHECK(checked.check->check(sent.octets, 20, 4, source, kPort, 1000, checked.reply) ==
        HandshakeVerdict::wrongMac);
  CHECK(HandshakeCheck().check(sent.octets, kLength, 4, source, kPort, 1000, checked.reply) ==
        HandshakeVerdict::unproved);
}

TEST(handshakes_with_a_cookie_are_limited_by_prefix) {
  Checked checked;
  CHECK_EQUAL(checked.passed(2000, 4, [](u32) { return four(0xc6336401); }), 25);
  CHECK_EQUAL(checked.passed(2000, 4, [](u32 n) { return four(0xcb007100 | n % 256); }), 100);
  CHECK_EQUAL(checked.passed(2000, 6, [](u32 n) { return six(1, 1, n); }), 25);
  CHECK_EQUAL(checked.passed(2000, 6, [](u32 n) { return six(2, n % 256, n); }), 50);
  CHECK_EQUAL(checked.passed(2000, 6, [](u32 n) { return six(3, n << 6, n); }), 100);
  CHECK_EQUAL(checked.passed(5, 4, [](u32) { return four(0x0a000001); }), 5);
}

TEST(a_few_links_leave_a_part_of_the_rate_of_their_site_to_others) {
  Checked checked;
  CHECK_EQUAL(checked.passed(2000, 6, [](u32 n) { return six(1, (n % 8) << 8, n); }), 75);
  CHECK_EQUAL(checked.passed(1, 6, [](u32) { return six(1, 0x1000, 1); }), 1);
  CHECK_EQUAL(checked.passed(2000, 4, [](u32 n) { return four(0xcb007100 | n % 8); }), 75);
  CHECK_EQUAL(checked.passed(1, 4, [](u32) { return four(0xcb0071ff); }), 1);
}

namespace {

Initiation withoutCookie() {
  Initiation made;
  made.sign(keyOf(1), kLength - 32);
  return made;
}

// The cookie of a reply to the initiation; empty: it is none.
std::vector<u8> cookieOf(const CookieReply& reply, const Initiation& sent, const u8 (&key)[32]) {
  const AeadLibrary& library = aeadLibrary();
  EVP_CIPHER_CTX* context = library.contextNew();
  std::vector<u8> cookie(kShortHmac);
  const u8* text = reply.octets + 4 + CookieReply::kNonce;
  OSSL_PARAM tag[] = {
      OSSL_PARAM_construct_octet_string("tag", const_cast<u8*>(text + kShortHmac), kSealTag),
      OSSL_PARAM_construct_end()};
  int done = 0;
  const bool open =
      library.init(context, library.chacha20Poly1305, key, reply.octets + 4, 0, tag) == 1 &&
      library.update(context, nullptr, &done, sent.octets + kLength - 32, kShortHmac) == 1 &&
      library.update(context, cookie.data(), &done, text, kShortHmac) == 1 &&
      library.final(context, cookie.data() + done, &done) == 1;
  library.contextFree(context);
  return open ? cookie : std::vector<u8>();
}

}  // namespace

TEST(handshakes_without_a_cookie_are_limited_and_take_nothing_from_those_with_one) {
  Checked checked;
  const Initiation sent = withoutCookie();
  std::map<HandshakeVerdict, u32> verdicts;
  const Address source = four(0xc6336401);
  for (u32 index = 0; index < 5000; index++) verdicts[checked.verdict(sent, 4, source)]++;
  CHECK_EQUAL(verdicts[HandshakeVerdict::unproved], 25);
  CHECK_EQUAL(verdicts[HandshakeVerdict::cookie], 4096);
  CHECK_EQUAL(verdicts[HandshakeVerdict::tooMany], 5000 - 25 - 4096);
  CHECK_EQUAL(checked.passed(2000, 4, [&](u32) { return source; }), 25);
  CHECK(checked.verdict(sent, 4, four(0x0a000001)) == HandshakeVerdict::unproved);
  // Of all sources.
  for (u32 index = 0; index < 5000; index++) {
    verdicts[checked.verdict(sent, 4, four(0x0b000000 + index * 256))]++;
  }
  CHECK_EQUAL(verdicts[HandshakeVerdict::unproved], 25 + 400 - 26);
  CHECK_EQUAL(verdicts[HandshakeVerdict::cookie], 8192);
}

TEST(a_source_whose_address_others_write_gets_a_cookie_that_admits_it) {
  Checked checked;
  Initiation sent = withoutCookie();
  store32(sent.octets, 0xa0123456);
  sent.sign(keyOf(1), kLength - 32);
  const Address source = six(1, 1, 1);
  HandshakeVerdict found = HandshakeVerdict::unproved;
  for (u32 index = 0; index < 100; index++) found = checked.verdict(sent, 6, source);
  CHECK(found == HandshakeVerdict::cookie);
  const CookieReply& reply = checked.reply;
  CHECK_EQUAL(sizeof reply.octets, 48);
  CHECK_EQUAL(load32(reply.octets), 0xc0123456);
  CHECK(cookieOf(reply, sent, {5}).empty());
  const std::vector<u8> cookie = cookieOf(reply, sent, {4});
  CHECK(cookie.size() == kShortHmac);
  sent.sign(ShortHmac(cookie.data(), cookie.size()), kLength - 16);
  CHECK(checked.verdict(sent, 6, source) == HandshakeVerdict::proved);
  CHECK(checked.verdict(sent, 6, six(1, 1, 2)) == HandshakeVerdict::cookie);
}

TEST(without_a_new_secret_the_engine_decides_about_handshakes) {
  Checked checked;
  const Initiation sent = withoutCookie();
  const Address source = four(0xc6336401);
  constexpr u64 kStale = 1000 + 120'000;
  for (u32 index = 0; index < 100; index++) {
    CHECK(checked.verdict(sent, 4, source, kPort, kStale) == HandshakeVerdict::unproved);
  }
  CHECK(checked.verdict(withCookie(4, source, 3), 4, source, kPort, kStale) ==
        HandshakeVerdict::proved);
}

TEST(a_cookie_is_no_proof_two_periods_after_its_secret_was_made) {
  constexpr u64 kPeriod = 120'000;
  const Address source = four(0xc6336401);
  const auto proved = [&](Checked& checked, u8 secret, u64 nowMs) {
    return checked.verdict(withCookie(4, source, secret), 4, source, kPort, nowMs) ==
           HandshakeVerdict::proved;
  };
  // 3 is the newest, 2 the one before.
  Checked checked;
  CHECK(proved(checked, 2, 1000 + kPeriod - 1) && !proved(checked, 2, 1000 + kPeriod));
  CHECK(proved(checked, 3, 1000 + 2 * kPeriod - 1) && !proved(checked, 3, 1000 + 2 * kPeriod));
  // Another rate comes with the same secrets.
  Checked reloaded;
  reloaded.setKeys(1000 + kPeriod);
  CHECK(!proved(reloaded, 2, 1000 + kPeriod) && proved(reloaded, 3, 1000 + kPeriod));
  CHECK(!proved(reloaded, 3, 1000 + 2 * kPeriod));
}

TEST(a_control_datagram_has_to_name_an_spi_of_this_host) {
  ControlGate gate;
  Counters counters;
  CookieReply reply;
  Sender sender;
  PacketPath path;
  path.remote = four(0xc6336401);
  const auto admitted = [&](DatagramType type, u32 spi) {
    u8 datagram[40] = {};
    store32(datagram, firstWord(type, spi));
    return gate.admit(datagram, sizeof datagram, path, 1000, sender, counters, reply) ==
           Admission::admitted;
  };
  CHECK(admitted(DatagramType::control, 5) && sender.acquaintance == Acquaintance::stranger);
  gate.ownSpis.change({5, 6}, {});
  for (const DatagramType type : {DatagramType::control, DatagramType::mobility,
                                  DatagramType::response, DatagramType::cookie}) {
    CHECK(admitted(type, 5) && sender.acquaintance == Acquaintance::known);
    CHECK(!admitted(type, 7));
  }
  const u64 five = (admitted(DatagramType::control, 5), sender.prefixes.hash[2]);
  CHECK(admitted(DatagramType::control, 6) && sender.prefixes.hash[2] != five);
  CHECK_EQUAL(counters.values[Counters::dropUnknownSpi].load(), 4);
  gate.ownSpis.change({}, {5});
  CHECK(!admitted(DatagramType::control, 5) && admitted(DatagramType::control, 6));
  // An initiation has an SPI of its sender.
  CHECK(admitted(DatagramType::initiation, 7) && sender.acquaintance == Acquaintance::stranger);
}

TEST(datagrams_with_one_spi_from_any_number_of_networks_have_one_share) {
  ControlGate gate;
  gate.ownSpis.change({5, 6}, {});
  Counters counters;
  CookieReply reply;
  PuntQueue queue([] {});
  const auto push = [&](u32 spi, const Address& source) {
    u8 datagram[40] = {};
    store32(datagram, firstWord(DatagramType::control, spi));
    PacketPath path;
    path.tunnel = spi;
    path.remote = source;
    Sender sender;
    const Admission admission =
        gate.admit(datagram, sizeof datagram, path, 1000, sender, counters, reply);
    return admission == Admission::admitted &&
           queue.push({path, std::vector<u8>(sizeof datagram)}, sender.acquaintance,
                      sender.prefixes);
  };
  u32 taken = 0;
  for (u32 index = 0; index < 20'000; index++) taken += push(5, four(index << 16)) ? 1u : 0u;
  CHECK(taken > 1500 && taken < 2000);
  for (u32 index = 0; index < 20; index++) CHECK(push(6, four(0xc6336401)));
  bool more = false;
  std::map<u32, u32> served;
  for (const ControlPacket& packet : queue.take(40, more)) served[packet.path.tunnel]++;
  CHECK(served[6] == 20 && served[5] == 20);
}

TEST(a_flood_from_many_prefixes_keeps_its_own_buckets) {
  PrefixBuckets buckets;
  constexpr TokenRate kRate{.perSecond = 1, .burst = 10};
  const auto prefix = [](u32 n) { return prefixHash(4, four(0x0a000000 + n * 256), 24); };
  const auto spend = [&](u32 n) {
    const bool has = buckets.has(prefix(n), kRate, 1000);
    if (has) buckets.take(prefix(n));
    return has;
  };
  u32 flood = 0;
  for (u32 round = 0; round < 1000; round++) flood += spend(0) ? 1u : 0u;
  CHECK_EQUAL(flood, 10);
  for (u32 other = 1; other < 200'000; other++) spend(other);
  CHECK(!spend(0));
}

// The authenticator of RFC 4285 in front of the engine. The packets are those that
// src/crypto/mobility-auth.ts signs with the octets "a key".
namespace {

using Kind = RegistrationVerdict::Kind;

const char* const kUpdate =
    "6000000000703c4020010db800020000000000000000000120010db800010000000000000000000187020102"
    "0000c91020010db80100000000000000000000103b0a0500ba630007c000003c0100031020010db800020000"
    "0000000000000001080f016d6e406578616d706c652e6e6574000a0811223344556677880103000000091501"
    "000003e878325233c65670002ec77b665614892a";
// HMAC-SHA1, and no identifier.
const char* const kUpdateSha1 =
    "6000000000583c4020010db800020000000000000000000120010db800010000000000000000000187020102"
    "0000c91020010db80100000000000000000000103b070500b0d20007c000003c0100031020010db800020000"
    "000000000000000101000a08112233445566778800091101000003e878a0ad7c8840e8c7caf32c62";
// The inner packet of RFC 5555.
const char* const kUpdateInUdp =
    "600000000050874020010db801000000000000000000001020010db80001000000000000000000013b090500"
    "aced0007c000003c20060000c0000207080f016d6e406578616d706c652e6e657401030000000a0811223344"
    "556677880103000000091501000003e8dde7a939155894d89c2e0ba7cf2f3c0e";
const char* const kAcknowledgement =
    "6000000000402b4020010db800010000000000000000000120010db800020000000000000000000187020201"
    "0000000020010db80100000000000000000000103b040600722c00000007003c0103000000091501000003e8"
    "cbd3a1a5bc55fb4356f39beec74ff61e";

std::vector<u8> octetsOf(const std::string& text) {
  std::vector<u8> octets;
  for (size_t at = 0; at < text.size(); at += 2) {
    octets.push_back(static_cast<u8>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return octets;
}

Address home() {
  Address address{};
  store32(address.bytes, 0x20010db8);
  store16(address.bytes + 4, 0x0100);
  address.bytes[15] = 0x10;
  return address;
}

RegistrationKeySpec key(bool sha256, const std::string& octets, const std::string& identifier) {
  return {.spi = 1000,
          .sha256 = sha256,
          .key = {octets.begin(), octets.end()},
          .identifier = identifier,
          .homeAddresses = {home()}};
}

RegistrationVerdict verdict(const RegistrationCheck& check, std::vector<u8> packet) {
  PacketView view;
  return viewPacket(packet.data(), packet.size(), view) ? check.check(view)
                                                        : RegistrationVerdict{};
}

Kind kindOf(const RegistrationKeySpec& spec, const char* packet) {
  RegistrationCheck check;
  check.set({spec});
  return verdict(check, octetsOf(packet)).kind;
}

}  // namespace

TEST(a_registration_is_authentic_with_the_key_that_it_names) {
  const auto sha256 = key(true, "a key", "mn@example.net");
  CHECK(kindOf(sha256, kUpdate) == Kind::authentic);
  CHECK(kindOf(sha256, kUpdateInUdp) == Kind::authentic);
  CHECK(kindOf(sha256, kAcknowledgement) == Kind::authentic);
  CHECK(kindOf(key(false, "a key", ""), kUpdateSha1) == Kind::authentic);
}

TEST(a_registration_is_forged_with_any_other_key_and_unknown_without_one) {
  CHECK(kindOf(key(true, "b key", "mn@example.net"), kUpdate) == Kind::forged);
  CHECK(kindOf(key(false, "a key", "mn@example.net"), kUpdate) == Kind::forged);
  CHECK(kindOf(key(true, "b key", ""), kAcknowledgement) == Kind::forged);
  CHECK(kindOf(key(true, "a key", "other@example.net"), kUpdate) == Kind::unknown);
  CHECK(verdict(RegistrationCheck(), octetsOf(kUpdate)).kind == Kind::unknown);
}

TEST(a_registration_with_any_changed_bit_is_not_authentic) {
  RegistrationCheck check;
  check.set({key(true, "a key", "mn@example.net")});
  const std::vector<u8> packet = octetsOf(kUpdate);
  constexpr size_t kHeader = 64;
  for (size_t at = kHeader; at < packet.size(); at++) {
    // The checksum, which the caller has verified.
    if (at == kHeader + 4 || at == kHeader + 5) continue;
    for (u8 bit = 1; bit != 0; bit = static_cast<u8>(bit << 1)) {
      std::vector<u8> changed = packet;
      changed[at] ^= bit;
      CHECK(verdict(check, changed).kind != Kind::authentic);
    }
  }
  for (size_t length = 0; length < packet.size(); length++) {
    CHECK(verdict(check, {packet.begin(), packet.begin() + static_cast<long>(length)}).kind !=
          Kind::authentic);
  }
}

TEST(copies_of_a_registration_share_one_place_and_forgeries_lose_that_of_a_peer) {
  ControlGate gate;
  gate.registrations.set({key(true, "b key", "else@example.net"),
                          key(true, "a key", "mn@example.net")});
  const auto judged = [&](const char* text, u8 source, Acquaintance from) {
    std::vector<u8> packet = octetsOf(text);
    packet[8 + 15] = source;
    PacketView view;
    CHECK(viewPacket(packet.data(), packet.size(), view));
    Sender sender{.acquaintance = from,
                  .prefixes = SourcePrefixes::of(6, Address::of(6, view.source()))};
    gate.judgeRegistration(view, sender);
    return sender;
  };
  const Sender one = judged(kUpdate, 1, Acquaintance::stranger);
  const Sender two = judged(kUpdate, 2, Acquaintance::stranger);
  CHECK(one.acquaintance == Acquaintance::known && two.acquaintance == Acquaintance::known);
  CHECK(std::equal(std::begin(one.prefixes.hash), std::end(one.prefixes.hash),
                   std::begin(two.prefixes.hash)));
  gate.registrations.set({key(true, "c key", "mn@example.net")});
  CHECK(judged(kUpdate, 1, Acquaintance::known).acquaintance == Acquaintance::stranger);
}
