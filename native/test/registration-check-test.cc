// The authenticator of RFC 4285 in front of the engine. The packets are those that
// src/crypto/mobility-auth.ts signs with the octets "a key".
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "control/control-gate.h"

using namespace sojourn;

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
