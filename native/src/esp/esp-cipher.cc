#include "esp/esp-cipher.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <new>

#include "seal/aead-library.h"
#include "seal/aead.h"

namespace sojourn {
namespace {

constexpr size_t kBlock = 16;

void store64(u8* at, u64 value) {
  store32(at, static_cast<u32>(value >> 32));
  store32(at + 4, static_cast<u32>(value));
}

}  // namespace

EspKey::~EspKey() { OPENSSL_cleanse(bytes, sizeof bytes); }

bool EspKey::isSound() const {
  if (length > kLargest || length < otherOctets()) return false;
  const size_t cipher = cipherOctets();
  if (algorithm == Protection::espNull) return cipher == 0;
  return cipher == 16 || cipher == 24 || cipher == 32;
}

EspCipher::EspCipher(const EspKey& key, Direction direction)
    : library_(aeadLibrary()),
      algorithm_(key.algorithm),
      extended_(key.extended),
      sealing_(direction == Direction::seal ? 1 : 0) {
  const bool gcm = algorithm_ == Protection::espGcm;
  if (gcm) {
    std::memcpy(salt_, key.other(), sizeof salt_);
  } else {
    hmac_.emplace(key.other(), key.otherOctets());
  }
  if (algorithm_ == Protection::espNull) return;
  context_ = library_.contextNew();
  if (context_ == nullptr) throw std::bad_alloc();
  const size_t size = (key.cipherOctets() - 16) / 8;
  const EVP_CIPHER* cipher = gcm ? library_.aesGcm[size] : library_.aesCbc[size];
  unsigned padding = 0;
  const OSSL_PARAM whole[] = {OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_PADDING, &padding),
                              OSSL_PARAM_construct_end()};
  const OSSL_PARAM* parameters = gcm ? nullptr : whole;
  if (library_.init(context_, cipher, key.bytes, nullptr, sealing_, parameters) == 1) return;
  library_.contextFree(context_);
  throw std::bad_alloc();
}

EspCipher::~EspCipher() {
  if (context_ != nullptr) library_.contextFree(context_);
}

bool EspCipher::seal(u64 sequence, u64 nonce, u8* packet, size_t length) {
  if (algorithm_ == Protection::espGcm) return sealGcm(sequence, nonce, packet, length);
  u8* iv = packet + kEspHeader;
  size_t covered = kEspHeader + length;
  if (algorithm_ == Protection::espCbc) {
    // The initialization vector is the nonce as a first block, encrypted under the same key, which
    // makes it unpredictable (NIST SP 800-38A appendix C).
    static constexpr u8 kZero[kBlock] = {};
    store64(iv, nonce);
    std::memset(iv + 8, 0, 8);
    if (!runCbc(kZero, iv, kEspCbcIv + length)) return false;
    covered += kEspCbcIv;
  }
  u8 mac[kEspIcv];
  icv(sequence, packet, covered, mac);
  std::memcpy(packet + covered, mac, sizeof mac);
  return true;
}

bool EspCipher::open(u64 sequence, u8* packet, size_t length) {
  if (algorithm_ == Protection::espGcm) return openGcm(sequence, packet, length);
  const size_t iv = espIv(algorithm_);
  const size_t covered = kEspHeader + iv + length;
  u8 received[kEspIcv];
  std::memcpy(received, packet + covered, sizeof received);
  u8 mac[kEspIcv];
  icv(sequence, packet, covered, mac);
  if (CRYPTO_memcmp(mac, received, sizeof mac) != 0) return false;
  return iv == 0 || runCbc(packet + kEspHeader, packet + kEspHeader + iv, length);
}

// RFC 4303 §2.2.1: the high half of the sequence number follows what is sent. It is put where the
// integrity check value goes.
void EspCipher::icv(u64 sequence, u8* packet, size_t covered, u8 (&mac)[kEspIcv]) const {
  static_assert(kEspIcv == kShortHmac);
  if (extended_) store32(packet + covered, static_cast<u32>(sequence >> 32));
  hmac_->sign(packet, covered + (extended_ ? 4 : 0), mac);
}

bool EspCipher::runCbc(const u8* iv, u8* text, size_t length) {
  int done = 0;
  return library_.init(context_, nullptr, nullptr, iv, sealing_, nullptr) == 1 &&
         library_.update(context_, text, &done, text, static_cast<int>(length)) == 1 &&
         static_cast<size_t>(done) == length;
}

bool EspCipher::sealGcm(u64 sequence, u64 nonce, u8* packet, size_t length) {
  store64(packet + kEspHeader, nonce);
  u8* tag = packet + kEspHeader + kEspGcmIv + length;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kEspIcv),
      OSSL_PARAM_construct_end()};
  return runGcm(sequence, packet, length, nullptr) &&
         library_.getParameters(context_, parameters) == 1;
}

bool EspCipher::openGcm(u64 sequence, u8* packet, size_t length) {
  u8* tag = packet + kEspHeader + kEspGcmIv + length;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kEspIcv),
      OSSL_PARAM_construct_end()};
  return runGcm(sequence, packet, length, parameters);
}

// RFC 4106 §4, §5: the nonce is the salt and the initialization vector; the associated data are
// the SPI and all bits of the sequence number.
bool EspCipher::runGcm(u64 sequence, u8* packet, size_t length, const OSSL_PARAM* parameters) {
  u8 nonce[12];
  std::memcpy(nonce, salt_, sizeof salt_);
  std::memcpy(nonce + sizeof salt_, packet + kEspHeader, kEspGcmIv);
  u8 associated[12];
  std::memcpy(associated, packet, 4);
  if (extended_) store32(associated + 4, static_cast<u32>(sequence >> 32));
  std::memcpy(associated + (extended_ ? 8 : 4), packet + 4, 4);
  u8* text = packet + kEspHeader + kEspGcmIv;
  int done = 0;
  return library_.init(context_, nullptr, nullptr, nonce, sealing_, parameters) == 1 &&
         library_.update(context_, nullptr, &done, associated, extended_ ? 12 : 8) == 1 &&
         library_.update(context_, text, &done, text, static_cast<int>(length)) == 1 &&
         library_.final(context_, text + done, &done) == 1;
}

}  // namespace sojourn
