#include <malloc.h>
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <thread>

#include "tables/tables.h"
#include "check.h"

using namespace sojourn;

namespace {

using Bytes = std::vector<u8>;

Bytes bytesOf(const std::string& hex) {
  Bytes bytes;
  for (size_t at = 0; at + 2 <= hex.size(); at += 2) {
    bytes.push_back(static_cast<u8>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

AeadKey keyOf(Cipher cipher, u8 first = 1) {
  AeadKey key;
  key.cipher = cipher;
  for (size_t index = 0; index < keyLengthOf(cipher); index++) {
    key.bytes[index] = static_cast<u8>(first + index);
  }
  return key;
}

// The header, the plaintext and room for the tag.
Bytes datagramOf(const std::string& header, const std::string& text) {
  Bytes datagram = bytesOf(header + text);
  datagram.resize(datagram.size() + kSealTag);
  return datagram;
}

struct Ends {
  SendKey sender;
  ReceiveKey receiver;

  explicit Ends(const AeadKey& key, unsigned slots = 1)
      : sender{1, 0x1234567, AeadContexts(key, AeadContext::Direction::seal, slots),
               std::make_shared<SendCounter>()},
        receiver{0x1234567, 1, AeadContexts(key, AeadContext::Direction::open, slots),
                 std::make_shared<ReplayWindow>(), nullptr} {}

  Bytes sealed(u64 counter, size_t length = 40) {
    sender.counter->skipTo(counter - 1);
    Bytes datagram(kSealedOverhead + length, 7);
    CHECK(sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, length));
    return datagram;
  }
  OpenResult open(Bytes datagram) { return receiver.open(0, datagram.data(), datagram.size()); }
};

// AES-128-GCM of the OpenSSL that the addon links: header, ciphertext and tag.
Bytes sealedByOpenssl(const AeadKey& key, u64 counter, const Bytes& header, const Bytes& text) {
  u8 nonce[12] = {};
  store32(nonce + 4, static_cast<u32>(counter >> 32));
  store32(nonce + 8, static_cast<u32>(counter));
  Bytes out = header;
  out.resize(header.size() + text.size() + kSealTag);
  u8* sealed = out.data() + header.size();
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(),
                                                                           EVP_CIPHER_CTX_free);
  int done = 0;
  CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, key.bytes, nonce) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), nullptr, &done, header.data(),
                          static_cast<int>(header.size())) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), sealed, &done, text.data(),
                          static_cast<int>(text.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(context.get(), sealed + done, &done) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kSealTag,
                            sealed + text.size()) == 1);
  return out;
}

SealingKeysSpec specOf(u32 tunnel, u32 sendSpi, const AeadKey& send, u32 spi,
                       const AeadKey& receive) {
  SealingKeysSpec spec;
  spec.tunnel = tunnel;
  spec.send = SealingKey{sendSpi, send};
  spec.receive = {SealingKey{spi, receive}};
  return spec;
}

}  // namespace

// draft-mcgrew-gcm-test-01, the case of the all-zero key. Its nonce is that of counter 0.
TEST(aes_gcm_matches_the_published_vector) {
  AeadKey key;
  const std::string text =
      "4500003c99c500008001cb7a40679318010101010800075c02004400616263646566676869"
      "6a6b6c6d6e6f707172737475767761626364656667686901020201";
  Bytes datagram = datagramOf("0000000000000001", text);
  const size_t length = text.size() / 2;
  AeadContext seal(key, AeadContext::Direction::seal);
  CHECK(seal.seal(0, datagram.data(), datagram.data() + kSealedHeader, length));
  CHECK(datagram == bytesOf("0000000000000001"
                            "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476"
                            "492719ffb64de7d9dca1e1d894bc3bd57873"
                            "ed4d181d19d4d5c8c18af3f821d496eeb096e98ad2b69e4799c71d"));
  AeadContext open(key, AeadContext::Direction::open);
  CHECK(open.open(0, datagram.data(), length));
  datagram.resize(kSealedHeader + length);
  CHECK(datagram == bytesOf("0000000000000001" + text));
}

// With the multi-buffer library, where the host has it; otherwise both are OpenSSL.
TEST(aes_gcm_of_every_length_is_that_of_openssl) {
  const AeadKey key = keyOf(Cipher::aes128Gcm, 0x31);
  AeadContext seal(key, AeadContext::Direction::seal);
  AeadContext open(key, AeadContext::Direction::open);
  const Bytes header = bytesOf("1000432105060708");
  for (size_t length = 1; length <= 9000; length += length < 300 ? 1 : 97) {
    const u64 counter = (u64{length} << 33) + length;
    Bytes text(length);
    for (size_t at = 0; at < length; at++) text[at] = static_cast<u8>(at * 31 + length);
    const Bytes expected = sealedByOpenssl(key, counter, header, text);
    Bytes datagram = header;
    datagram.resize(kSealedOverhead + length);
    // From elsewhere, and in place.
    CHECK(seal.seal(counter, datagram.data(), text.data(), length));
    CHECK(datagram == expected);
    std::memcpy(datagram.data() + kSealedHeader, text.data(), length);
    CHECK(seal.seal(counter, datagram.data(), datagram.data() + kSealedHeader, length));
    CHECK(datagram == expected);
    CHECK(open.open(counter, datagram.data(), length));
    CHECK(Bytes(datagram.begin() + kSealedHeader, datagram.end() - kSealTag) == text);
    Bytes forged = expected;
    forged[length % forged.size()] ^= 1;
    CHECK(!open.open(counter, forged.data(), length));
  }
}

// Computed with an implementation of RFC 8439 that reproduces the example of its §2.8.2.
TEST(chacha20_poly1305_matches_the_expected_octets) {
  AeadKey key = keyOf(Cipher::chacha20Poly1305, 0x80);
  const std::string text = "4500003c99c500008001cb7a40679318010101010800075c0200440061626364";
  Bytes datagram = datagramOf("1000432105060708", text);
  AeadContext seal(key, AeadContext::Direction::seal);
  CHECK(seal.seal(0x0102030405060708, datagram.data(), datagram.data() + kSealedHeader, 32));
  CHECK(datagram == bytesOf("1000432105060708"
                            "a4b914c48e2077f8df98a8c6798b2c38cfd2820c9fd974337ee2f6f0dde129dce57574"
                            "8318a0d76cd71c1b7539bc2bbd"));
}

TEST(sealed_packet_opens_once) {
  for (const Cipher cipher : {Cipher::aes128Gcm, Cipher::chacha20Poly1305}) {
    Ends ends(keyOf(cipher));
    for (const size_t length : {size_t{1}, size_t{15}, size_t{16}, size_t{1448}, size_t{9000}}) {
      Bytes datagram(kSealedOverhead + length, 9);
      CHECK(ends.sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, length));
      CHECK_EQUAL(load32(datagram.data()), 0x11234567u);
      const Bytes copy = datagram;
      CHECK(ends.receiver.open(0, datagram.data(), datagram.size()) == OpenResult::packet);
      CHECK(Bytes(datagram.begin() + kSealedHeader, datagram.end() - kSealTag) == Bytes(length, 9));
      CHECK(ends.open(copy) == OpenResult::replayed);
    }
    CHECK_EQUAL(ends.sender.counter->last(), 5u);
  }
}

TEST(first_packet_has_counter_one) {
  Ends ends(keyOf(Cipher::aes128Gcm));
  Bytes datagram(kSealedOverhead + 1);
  CHECK(ends.sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, 1));
  CHECK_EQUAL(load32(datagram.data() + 4), 1u);
}

TEST(forged_datagram_does_not_advance_the_window) {
  for (const Cipher cipher : {Cipher::aes128Gcm, Cipher::chacha20Poly1305}) {
    Ends ends(keyOf(cipher));
    CHECK(ends.open(ends.sealed(10)) == OpenResult::packet);
    const Bytes good = ends.sealed(11, 20);
    // Every bit of the header but the type, which ReceiveKey does not check, of the ciphertext and
    // of the tag.
    for (size_t bit = 4; bit < good.size() * 8; bit++) {
      Bytes bad = good;
      bad[bit / 8] = static_cast<u8>(bad[bit / 8] ^ (0x80 >> (bit % 8)));
      const OpenResult opened = ends.open(bad);
      CHECK(opened == OpenResult::forged || opened == OpenResult::replayed);
      CHECK_EQUAL(ends.receiver.window->top(), 10u);
    }
    for (size_t cut = 0; cut < good.size(); cut++) {
      CHECK(ends.open(Bytes(good.begin(), good.begin() + static_cast<long>(cut))) !=
            OpenResult::packet);
    }
    CHECK(ends.open(good) == OpenResult::packet);
    CHECK(Ends(keyOf(cipher, 2)).open(ends.sealed(12)) == OpenResult::forged);
  }
}

TEST(replay_window_is_2048_wide) {
  Ends ends(keyOf(Cipher::aes128Gcm));
  CHECK(ends.open(ends.sealed(5000)) == OpenResult::packet);
  // Behind the window, the low half means a counter of the next round, which has another nonce.
  CHECK(ends.open(ends.sealed(5000 - 2048)) == OpenResult::forged);
  CHECK(ends.open(ends.sealed(5000 - 2047)) == OpenResult::packet);
  CHECK(ends.open(ends.sealed(5000 - 2047)) == OpenResult::replayed);
  CHECK(ends.open(ends.sealed(5001)) == OpenResult::packet);
  CHECK(ends.open(ends.sealed(5001 - 2047)) == OpenResult::packet);
}

TEST(reordered_packets_are_accepted_once_each) {
  ReplayWindow window;
  // Any order within the window: 7 and 2048 are coprime.
  for (u64 base = 1; base < 100'000; base += 2048) {
    for (u64 step = 0; step < 2048; step++) {
      const u64 counter = base + step * 7 % 2048;
      CHECK(window.mayAccept(counter) && window.accept(counter));
      CHECK(!window.mayAccept(counter) && !window.accept(counter));
    }
  }
  CHECK(!window.accept(0));
  CHECK(!window.accept(kCounterLimit + 1));
  CHECK(window.accept(kCounterLimit));
  CHECK(!window.mayAccept(100'000) && !window.accept(100'000));
}

// A set of counters is the model.
TEST(replay_window_agrees_with_a_set) {
  ReplayWindow window;
  std::vector<bool> seen(400'000);
  u64 top = 0;
  u64 random = 88172645463325252;
  for (int step = 0; step < 200'000; step++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    const u64 reach = random % 50 == 0 ? 5000 : 3000;
    const u64 low = top > 2500 ? top - 2500 : 1;
    const u64 counter = low + random / 64 % (step % 20 == 0 ? reach : 2600);
    if (counter >= seen.size()) break;
    const bool fresh = !seen[counter] && (counter > top || top - counter < kReplayWindow);
    CHECK(window.mayAccept(counter) == fresh);
    CHECK(window.accept(counter) == fresh);
    if (fresh) seen[counter] = true;
    if (fresh && counter > top) top = counter;
    CHECK_EQUAL(window.top(), top);
  }
  CHECK(top > 100'000);
}

TEST(counter_is_recovered_from_its_low_half) {
  const u64 wrap = u64{1} << 32;
  CHECK_EQUAL(recoverCounter(0, 1), 1u);
  CHECK_EQUAL(recoverCounter(5, 3), 3u);
  CHECK(recoverCounter(5, 0xffffffff) > kCounterLimit);
  CHECK_EQUAL(recoverCounter(wrap - 1, 0), wrap);
  CHECK_EQUAL(recoverCounter(wrap - 1, 0xfffff800), wrap - 2048);
  CHECK_EQUAL(recoverCounter(wrap + 5, 0xffffffff), wrap - 1);
  CHECK_EQUAL(recoverCounter(wrap + 5, 6), wrap + 6);
  CHECK_EQUAL(recoverCounter(7 * wrap + 4000, 4001 - 2048), 7 * wrap + 4001 - 2048);
  CHECK_EQUAL(recoverCounter(7 * wrap + 4000, 4000 - 2048), 8 * wrap + 4000 - 2048);
  for (u64 top = wrap - 3000; top < wrap + 3000; top += 7) {
    for (const u64 counter : {top - 2047, top - 1, top, top + 1, top + 2048, top + wrap - 2048}) {
      CHECK_EQUAL(recoverCounter(top, static_cast<u32>(counter)), counter);
    }
  }
}

TEST(packets_open_across_the_wrap_of_the_low_half) {
  Ends ends(keyOf(Cipher::chacha20Poly1305));
  const u64 wrap = u64{1} << 32;
  CHECK(ends.open(ends.sealed(wrap / 2)) == OpenResult::packet);
  CHECK(ends.open(ends.sealed(wrap - 3)) == OpenResult::packet);
  for (const u64 counter : {wrap - 1, wrap, wrap + 2, wrap + 1, wrap - 2}) {
    CHECK(ends.open(ends.sealed(counter)) == OpenResult::packet);
  }
  for (const u64 counter : {wrap - 1, wrap, wrap + 2}) {
    CHECK(ends.open(ends.sealed(counter)) == OpenResult::replayed);
  }
  // The same low half, sealed a round later: another nonce.
  CHECK(ends.open(ends.sealed(2 * wrap + 2)) != OpenResult::packet);
}

TEST(used_up_key_seals_no_packet) {
  Ends ends(keyOf(Cipher::aes128Gcm));
  Bytes datagram(kSealedOverhead + 8, 1);
  ends.sender.counter->skipTo(kCounterLimit - 1);
  CHECK(ends.sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, 8));
  CHECK(!ends.sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, 8));
  CHECK(!ends.sender.seal(0, datagram.data(), datagram.data() + kSealedHeader, 8));
  CHECK_EQUAL(ends.sender.counter->last(), kCounterLimit);
}

TEST(counters_are_unique_among_threads) {
  auto ends = std::make_unique<Ends>(keyOf(Cipher::aes128Gcm), 3);
  constexpr u32 kEach = 20'000;
  std::vector<std::vector<u32>> given(3);
  std::atomic<u32> opened{0};
  std::vector<std::thread> threads;
  for (unsigned slot = 0; slot < 3; slot++) {
    threads.emplace_back([&, slot] {
      for (u32 count = 0; count < kEach; count++) {
        Bytes datagram(kSealedOverhead + 4, 3);
        if (!ends->sender.seal(slot, datagram.data(), datagram.data() + kSealedHeader, 4)) continue;
        given[slot].push_back(load32(datagram.data() + 4));
        Bytes again = datagram;
        if (ends->receiver.open(slot, datagram.data(), datagram.size()) == OpenResult::packet) {
          opened++;
        }
        if (ends->receiver.open(slot, again.data(), again.size()) == OpenResult::packet) {
          opened += 1'000'000;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<bool> seen(3 * kEach + 1);
  for (const std::vector<u32>& numbers : given) {
    for (const u32 number : numbers) {
      CHECK(number >= 1 && number <= 3 * kEach && !seen[number]);
      seen[number] = true;
    }
  }
  // A thread that slept for longer than the window loses some packets, and never gains any.
  CHECK(opened > kEach && opened <= 3 * kEach);
}

TEST(sealing_keys_are_set_replaced_and_deleted) {
  auto tables = std::make_unique<Tables>();
  const AeadKey a = keyOf(Cipher::aes128Gcm, 1);
  const AeadKey b = keyOf(Cipher::chacha20Poly1305, 50);
  tables->sealingKeysSet(specOf(7, 100, a, 200, b));
  CHECK_EQUAL(tables->sendKey(7)->spi, 100u);
  CHECK_EQUAL(tables->receiveKey(200)->tunnel, 7u);
  CHECK(tables->sendKey(8) == nullptr && tables->receiveKey(100) == nullptr);
  const SendKey* before = tables->sendKey(7);
  const ReceiveKey* beforeToo = tables->receiveKey(200);
  tables->sealingKeysSet(specOf(7, 100, a, 200, b));
  CHECK(tables->sendKey(7) == before && tables->receiveKey(200) == beforeToo);
  // A rekey: both keys receive, the new one sends.
  SealingKeysSpec rekey = specOf(7, 101, b, 200, b);
  rekey.receive.push_back(SealingKey{201, a});
  tables->sealingKeysSet(rekey);
  CHECK_EQUAL(tables->sendKey(7)->spi, 101u);
  CHECK(tables->receiveKey(200) == beforeToo && tables->receiveKey(201)->tunnel == 7);
  tables->sealingKeysSet(specOf(7, 101, b, 201, a));
  CHECK(tables->receiveKey(200) == nullptr && tables->receiveKey(201) != nullptr);
  // The SPI moves to another tunnel, and stays there when the keys of the first one are deleted.
  tables->sealingKeysSet(specOf(9, 102, a, 201, b));
  tables->sealingKeysDelete(7);
  CHECK(tables->sendKey(7) == nullptr);
  CHECK_EQUAL(tables->receiveKey(201)->tunnel, 9u);
  SealingKeysSpec silent = specOf(9, 102, a, 201, b);
  silent.send.reset();
  tables->sealingKeysSet(silent);
  CHECK(tables->sendKey(9) == nullptr && tables->receiveKey(201) != nullptr);
  tables->sealingKeysDelete(9);
  tables->sealingKeysDelete(9);
  CHECK(tables->receiveKey(201) == nullptr);
}

// Of tunnels that have sealed and opened nothing yet. The sanitizers have their own allocator, so
// the exact check is in `make core-cost`.
TEST(cost_of_the_keys_of_a_sealed_tunnel_is_at_most_640_octets) {
  constexpr u32 kCount = 20'000;
  auto tables = std::make_unique<Tables>();
  const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  for (u32 id = 1; id <= kCount; id++) {
    AeadKey send = keyOf(Cipher::aes128Gcm);
    store32(send.bytes, id);
    AeadKey receive = send;
    receive.bytes[15] ^= 1;
    tables->sealingKeysSet(specOf(id, id, send, kCount + id, receive));
  }
  const size_t octets = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / kCount;
#if !defined(__SANITIZE_ADDRESS__)
  std::printf("%u sealed tunnels: keys of %zu octets each\n", kCount, octets);
  CHECK(octets <= 640);
#else
  CHECK(octets < 3000);
#endif
}

TEST(key_keeps_its_counter_and_window_when_it_is_set_again) {
  auto tables = std::make_unique<Tables>();
  const AeadKey a = keyOf(Cipher::aes128Gcm, 1);
  const AeadKey b = keyOf(Cipher::aes128Gcm, 90);
  tables->sealingKeysSet(specOf(1, 100, a, 200, a));
  Bytes datagram(kSealedOverhead + 4, 1);
  CHECK(tables->sendKey(1)->seal(0, datagram.data(), datagram.data() + kSealedHeader, 4));
  store32(datagram.data(), u32{1} << 28 | 100);
  CHECK(tables->receiveKey(200)->open(0, datagram.data(), datagram.size()) == OpenResult::packet);
  // Another SPI, another key and back, deleted and set again, another tunnel.
  tables->sealingKeysSet(specOf(1, 300, a, 301, a));
  CHECK_EQUAL(tables->sendKey(1)->counter->last(), 1u);
  CHECK_EQUAL(tables->receiveKey(301)->window->top(), 1u);
  tables->sealingKeysSet(specOf(1, 100, b, 200, b));
  CHECK_EQUAL(tables->sendKey(1)->counter->last(), 0u);
  tables->sealingKeysSet(specOf(1, 100, a, 200, a));
  CHECK_EQUAL(tables->sendKey(1)->counter->last(), 1u);
  tables->sealingKeysDelete(1);
  tables->sealingKeysSet(specOf(2, 100, a, 200, a));
  CHECK_EQUAL(tables->sendKey(2)->counter->last(), 1u);
  CHECK_EQUAL(tables->receiveKey(200)->window->top(), 1u);
  // Two tunnels with one key share its counter.
  tables->sealingKeysSet(specOf(3, 100, a, 201, b));
  CHECK(tables->sendKey(3)->counter == tables->sendKey(2)->counter);
  // The same octets are another key for another cipher.
  AeadKey other = a;
  other.cipher = Cipher::chacha20Poly1305;
  tables->sealingKeysSet(specOf(3, 100, other, 201, b));
  CHECK_EQUAL(tables->sendKey(3)->counter->last(), 0u);
}

TEST(key_history_evicts_unused_keys_only) {
  KeyHistory<SendCounter> history;
  AeadKey key = keyOf(Cipher::chacha20Poly1305);
  const auto held = history.stateOf(key);
  held->next();
  for (u32 count = 0; count < 3 * KeyHistory<SendCounter>::kRemembered; count++) {
    AeadKey other;
    store32(other.bytes, count);
    history.stateOf(other)->next();
  }
  CHECK(history.size() <= KeyHistory<SendCounter>::kRemembered);
  CHECK(history.stateOf(key) == held);
  AeadKey last;
  store32(last.bytes, 3 * KeyHistory<SendCounter>::kRemembered - 1);
  CHECK_EQUAL(history.stateOf(last)->last(), 1u);
}

TEST(roaming_notice_is_allowed_once_a_second_for_each_peer_address) {
  RoamingNoticeLimit notices;
  CHECK(notices.allow(1, 1000));
  CHECK(!notices.allow(1, 1999));
  CHECK(notices.allow(2, 1999));
  CHECK(notices.allow(1, 2000));
  CHECK(notices.allow(3, 2000));
  CHECK(notices.allow(4, 2000));
  // No more than four addresses at a time.
  CHECK(!notices.allow(5, 2001));
  CHECK(notices.allow(5, 3100));
}
