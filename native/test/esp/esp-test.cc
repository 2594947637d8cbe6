#include "esp/esp-associations.h"

#include <memory>
#include <string>

#include "check.h"
#include "esp/esp-vectors.h"
#include "tables/tables.h"

using namespace sojourn;
using testing::EspVector;
using testing::kEspVectors;
using testing::kVectorEpoch;
using testing::kVectorSpi;

namespace {

using Bytes = std::vector<u8>;

Bytes bytesOf(const std::string& hex) {
  Bytes bytes;
  for (size_t at = 0; at + 2 <= hex.size(); at += 2) {
    bytes.push_back(static_cast<u8>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

EspKey keyOf(const EspVector& vector) {
  EspKey key;
  key.algorithm = vector.algorithm;
  key.extended = vector.extended;
  const Bytes octets = bytesOf(vector.key);
  key.length = static_cast<u8>(octets.size());
  std::memcpy(key.bytes, octets.data(), octets.size());
  return key;
}

EspKey keyOf(Protection algorithm, bool extended) {
  for (const EspVector& vector : kEspVectors) {
    if (vector.algorithm == algorithm && vector.extended == extended) return keyOf(vector);
  }
  return {};
}

// Both ends of one association.
struct Ends {
  EspSendKey sender;
  EspReceiveKey receiver;

  explicit Ends(const EspKey& key, u64 from = 1, u64 after = 0)
      : sender{1, kVectorSpi, kVectorEpoch, EspCiphers(key, EspCipher::Direction::seal, 1),
               std::make_shared<EspCounter>()},
        receiver{kVectorSpi, 1, EspCiphers(key, EspCipher::Direction::open, 1),
                 std::make_shared<ReplayWindow>(), nullptr} {
    sender.counter->lease(from, from + 1'000'000);
    receiver.window->startAfter(after);
  }

  Bytes seal(const Bytes& inner, u8 nextHeader) {
    Bytes packet(protectedLength(sender.protection(), inner.size()));
    std::memcpy(packet.data() + sender.espOffset(), inner.data(), inner.size());
    CHECK_EQUAL(sender.seal(0, packet.data(), inner.size(), nextHeader), packet.size());
    return packet;
  }
  OpenResult open(Bytes packet, EspPayload* into = nullptr, Bytes* inner = nullptr) {
    EspPayload payload;
    const OpenResult result = receiver.open(0, packet.data(), packet.size(), payload);
    if (into != nullptr) *into = payload;
    if (inner != nullptr && result == OpenResult::packet) {
      const auto begin = packet.begin() + static_cast<long>(payload.offset);
      inner->assign(begin, begin + static_cast<long>(payload.length));
    }
    return result;
  }
};

u8 nextHeaderOf(const Bytes& inner) {
  return inner[0] >> 4 == 6 ? kProtocolIpv6 : kProtocolIpv4;
}

}  // namespace

TEST(esp_packets_equal_those_of_scapy) {
  for (const EspVector& vector : kEspVectors) {
    const Bytes inner = bytesOf(vector.inner);
    Ends ends(keyOf(vector), vector.sequence, vector.sequence - 1);
    CHECK(ends.seal(inner, nextHeaderOf(inner)) == bytesOf(vector.packet));
    EspPayload payload;
    Bytes opened;
    CHECK(ends.open(bytesOf(vector.packet), &payload, &opened) == OpenResult::packet);
    CHECK(opened == inner);
    CHECK_EQUAL(payload.nextHeader, nextHeaderOf(inner));
  }
}

TEST(esp_opens_no_packet_that_was_changed_or_cut) {
  for (const EspVector& vector : kEspVectors) {
    const Bytes whole = bytesOf(vector.packet);
    // The SPI finds the key before.
    for (size_t at = kEspHeader - 4; at < whole.size(); at++) {
      for (unsigned bit = 0; bit < 8; bit++) {
        Ends ends(keyOf(vector), 1, vector.sequence - 1);
        Bytes packet = whole;
        packet[at] = static_cast<u8>(packet[at] ^ 1u << bit);
        CHECK(ends.open(packet) != OpenResult::packet);
        CHECK_EQUAL(ends.receiver.window->top(), vector.sequence - 1);
      }
    }
    for (size_t length = kEspHeader; length < whole.size(); length++) {
      Ends ends(keyOf(vector), 1, vector.sequence - 1);
      CHECK(ends.open(Bytes(whole.begin(), whole.begin() + static_cast<long>(length))) !=
            OpenResult::packet);
    }
  }
}

TEST(esp_packets_are_received_once_and_in_any_order) {
  for (const Protection algorithm : kEspProtections) {
    Ends ends(keyOf(algorithm, true));
    std::vector<Bytes> packets;
    for (int count = 0; count < 3000; count++) packets.push_back(ends.seal({0x60, 1}, 41));
    CHECK(ends.open(packets[2999]) == OpenResult::packet);
    CHECK(ends.open(packets[2999]) == OpenResult::replayed);
    CHECK(ends.open(packets[2000]) == OpenResult::packet);
    CHECK(ends.open(packets[2000]) == OpenResult::replayed);
    // Behind the window: with extended numbers, one of the next 2^32 (RFC 4303 appendix A2).
    CHECK(ends.open(packets[900]) == OpenResult::forged);
  }
}

TEST(esp_sequence_numbers_go_on_beyond_32_bits_if_they_are_extended) {
  constexpr u64 kEnd = 0xffff'ffff;
  for (const Protection algorithm : kEspProtections) {
    Ends ends(keyOf(algorithm, true), kEnd - 1, kEnd - 2);
    for (int count = 0; count < 5; count++) {
      CHECK(ends.open(ends.seal({0x60}, 41)) == OpenResult::packet);
    }
    CHECK_EQUAL(ends.receiver.window->top(), kEnd + 3);
  }
}

TEST(esp_counter_keeps_to_its_lease) {
  EspCounter counter;
  CHECK_EQUAL(counter.next(), 0u);
  counter.lease(65, 66);
  CHECK_EQUAL(counter.next(), 65u);
  CHECK_EQUAL(counter.next(), 66u);
  CHECK_EQUAL(counter.next(), 0u);
  counter.lease(65, 67);
  CHECK_EQUAL(counter.next(), 67u);
  CHECK_EQUAL(counter.next(), 0u);
  // A lease of another run begins behind it.
  counter.lease(100, 200);
  CHECK_EQUAL(counter.next(), 100u);
}

TEST(replay_window_starts_behind_an_earlier_run) {
  for (const u64 after : {u64{1}, u64{63}, u64{64}, u64{127}, u64{5000}, u64{1} << 33}) {
    ReplayWindow window;
    window.startAfter(after);
    for (u64 counter = after > 3000 ? after - 3000 : 1; counter <= after; counter++) {
      CHECK(!window.mayAccept(counter));
      CHECK(!window.accept(counter));
    }
    for (u64 counter = after + 1; counter <= after + 200; counter++) CHECK(window.accept(counter));
    // Never back.
    window.startAfter(1);
    CHECK_EQUAL(window.top(), after + 200);
    CHECK(!window.accept(after + 100));
  }
}

TEST(esp_keys_of_a_tunnel_continue_when_they_are_set_again) {
  Tables tables;
  const EspKey key = keyOf(Protection::espGcm, true);
  EspKey other = key;
  other.bytes[0] ^= 1;
  EspKeysSpec spec;
  spec.tunnel = 7;
  spec.receive = {.spi = 500, .key = other, .after = 40};
  spec.send = EspKeysSpec::Send{.spi = 600, .key = key, .epoch = 3, .from = 10, .until = 12};
  tables.espKeysSet(spec);
  EspSendKey* sender = tables.espSendKey(7);
  CHECK(sender != nullptr && tables.espReceiveKey(500) != nullptr);
  CHECK_EQUAL(tables.espReceiveKey(500)->window->top(), 40u);
  Bytes packet(protectedLength(Protection::espGcm, 0));
  for (int count = 0; count < 3; count++) CHECK(sender->seal(0, packet.data(), 0, 59) != 0);
  CHECK_EQUAL(sender->seal(0, packet.data(), 0, 59), 0u);
  spec.send->until = 20;
  tables.espKeysSet(spec);
  CHECK(tables.espSendKey(7) == sender);
  CHECK(sender->seal(0, packet.data(), 0, 59) != 0);
  CHECK_EQUAL(load32(packet.data() + 4), 13u);
  u64 counted[2] = {};
  tables.forEachEspTunnel([&](u32 tunnel, u64 sent, u64 received) {
    CHECK_EQUAL(tunnel, 7u);
    counted[0] = sent;
    counted[1] = received;
  });
  CHECK_EQUAL(counted[0], 13u);
  CHECK_EQUAL(counted[1], 40u);
  // The key of a tunnel that was removed goes on where it ended.
  tables.espKeysDelete(7);
  CHECK(tables.espSendKey(7) == nullptr && tables.espReceiveKey(500) == nullptr);
  spec.tunnel = 8;
  tables.espKeysSet(spec);
  CHECK(tables.espSendKey(8)->seal(0, packet.data(), 0, 59) != 0);
  CHECK_EQUAL(load32(packet.data() + 4), 14u);
}

TEST(esp_sizes_fill_a_path_and_never_exceed_it) {
  for (const Protection algorithm : kEspProtections) {
    for (size_t room = 0; room < 2000; room++) {
      const size_t inner = largestInner(algorithm, room);
      if (inner == 0) continue;
      CHECK(protectedLength(algorithm, inner) <= room);
      CHECK(protectedLength(algorithm, inner + 1) > room);
    }
  }
  // An Ethernet link under IPv6.
  CHECK_EQUAL(largestInner(Protection::espGcm, 1460), 1426u);
  CHECK_EQUAL(largestInner(Protection::espCbc, 1460), 1406u);
  CHECK_EQUAL(largestInner(Protection::espNull, 1460), 1434u);
}
