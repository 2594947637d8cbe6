#include "seal/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <new>

#include "seal/aead-library.h"
#include "tables/tables.h"

namespace sojourn {
namespace {

struct Nonce {
  u8 bytes[12] = {};
  explicit Nonce(u64 counter) {
    store32(bytes + 4, static_cast<u32>(counter >> 32));
    store32(bytes + 8, static_cast<u32>(counter));
  }
};

// Where the tag is, written out: EVP_CIPHER_CTX_ctrl builds the same for every packet, which is
// measurable.
struct TagPlace {
  OSSL_PARAM parameters[2];
  explicit TagPlace(u8* tag)
      : parameters{OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kSealTag),
                   OSSL_PARAM_construct_end()} {}
};

}  // namespace

// Without a handler at exit, which would take the library away from under packet threads, and
// without the host's openssl.cnf.
void prepareCryptography() {
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) {
    throw std::bad_alloc();
  }
}

KeyFingerprint::KeyFingerprint(const SealKey& key) {
  prepareCryptography();
  u8 input[1 + sizeof key.bytes];
  input[0] = static_cast<u8>(key.cipher);
  std::memcpy(input + 1, key.bytes, sizeof key.bytes);
  const int done = EVP_Digest(input, sizeof input, bytes, nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(input, sizeof input);
  if (done != 1) throw std::bad_alloc();
}

SealKey::~SealKey() { OPENSSL_cleanse(bytes, sizeof bytes); }

AeadContext::AeadContext(const SealKey& key, Direction direction)
    : library_(aeadLibrary()),
      sealing_(direction == Direction::seal ? 1 : 0),
      context_(library_.contextNew()) {
  if (context_ == nullptr) throw std::bad_alloc();
  const EVP_CIPHER* cipher =
      key.cipher == Cipher::aes128Gcm ? library_.aes128Gcm : library_.chacha20Poly1305;
  if (library_.init(context_, cipher, key.bytes, nullptr, sealing_, nullptr) == 1) return;
  library_.contextFree(context_);
  throw std::bad_alloc();
}

AeadContext::~AeadContext() { library_.contextFree(context_); }

bool AeadContext::run(u64 counter, u8* datagram, size_t length, const OSSL_PARAM* parameters) {
  const Nonce nonce(counter);
  u8* text = datagram + kSealedHeader;
  int done = 0;
  return library_.init(context_, nullptr, nullptr, nonce.bytes, sealing_, parameters) == 1 &&
         library_.update(context_, nullptr, &done, datagram, kSealedHeader) == 1 &&
         library_.update(context_, text, &done, text, static_cast<int>(length)) == 1 &&
         library_.final(context_, text + done, &done) == 1;
}

bool AeadContext::seal(u64 counter, u8* datagram, size_t length) {
  TagPlace tag(datagram + kSealedHeader + length);
  return run(counter, datagram, length, nullptr) &&
         library_.getParameters(context_, tag.parameters) == 1;
}

bool AeadContext::open(u64 counter, u8* datagram, size_t length) {
  const TagPlace tag(datagram + kSealedHeader + length);
  return run(counter, datagram, length, tag.parameters);
}

u64 recoverCounter(u64 top, u32 low) {
  const u32 topLow = static_cast<u32>(top);
  const u64 topHigh = top >> 32;
  const u32 bottom = topLow - static_cast<u32>(kReplayWindow - 1);
  const bool oneSubspace = topLow >= kReplayWindow - 1;
  const u64 high = oneSubspace ? (low >= bottom ? topHigh : topHigh + 1)
                               : (low >= bottom ? topHigh - 1 : topHigh);
  return high << 32 | low;
}

bool ReplayWindow::mayTake(u64 counter) const {
  if (counter == 0 || counter > kCounterLimit) return false;
  const u64 top = top_.load(std::memory_order_relaxed);
  if (counter > top) return true;
  if (top - counter >= kReplayWindow) return false;
  return (words_[counter / 64 % kWords].load(std::memory_order_relaxed) >> (counter % 64) & 1) == 0;
}

bool ReplayWindow::take(u64 counter) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const u64 top = top_.load(std::memory_order_relaxed);
  if (counter == 0 || counter > kCounterLimit ||
      (counter <= top && top - counter >= kReplayWindow)) {
    return false;
  }
  if (counter > top) {
    const u64 ahead = counter / 64 - top / 64;
    for (u64 step = 1; step <= ahead && step <= kWords; step++) {
      words_[(top / 64 + step) % kWords].store(0, std::memory_order_relaxed);
    }
    top_.store(counter, std::memory_order_relaxed);
  }
  std::atomic<u64>& word = words_[counter / 64 % kWords];
  const u64 bit = u64{1} << (counter % 64);
  const u64 before = word.load(std::memory_order_relaxed);
  word.store(before | bit, std::memory_order_relaxed);
  return (before & bit) == 0;
}

bool SendAssociation::seal(unsigned slot, u8* datagram, size_t length) {
  const u64 value = counter->next();
  if (value == 0) return false;
  store32(datagram, static_cast<u32>(DatagramType::data) << 28 | spi);
  store32(datagram + 4, static_cast<u32>(value));
  return contexts.of(slot).seal(value, datagram, length);
}

u64 SendAssociation::hash(Key key) { return mixKey(key, 1); }

Opened ReceiveAssociation::open(unsigned slot, u8* datagram, size_t length) {
  if (length <= kSealedOverhead) return Opened::malformed;
  const u64 counter = recoverCounter(window->top(), load32(datagram + 4));
  if (!window->mayTake(counter)) return Opened::replayed;
  if (!contexts.of(slot).open(counter, datagram, length - kSealedOverhead)) return Opened::forged;
  return window->take(counter) ? Opened::packet : Opened::replayed;
}

u64 ReceiveAssociation::hash(Key key) { return mixKey(key, 2); }

}  // namespace sojourn
