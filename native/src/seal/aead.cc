#include "seal/aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <new>

#include "seal/aead-library.h"

namespace sojourn {

struct Nonce {
  u8 bytes[12] = {};
  explicit Nonce(u64 counter) {
    store32(bytes + 4, static_cast<u32>(counter >> 32));
    store32(bytes + 8, static_cast<u32>(counter));
  }
};

namespace {

// The parameter that points at the tag. EVP_CIPHER_CTX_ctrl would build the same for every packet,
// at a measurable cost.
struct TagParameter {
  OSSL_PARAM parameters[2];
  explicit TagParameter(u8* tag)
      : parameters{OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, kSealTag),
                   OSSL_PARAM_construct_end()} {}
};

}  // namespace

// Disables OpenSSL's exit handler, which would free the library's state while packet threads still
// use it. The host's openssl.cnf is not read.
void prepareCryptography() {
  constexpr u64 options = OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG;
  if (OPENSSL_init_crypto(options, nullptr) != 1) throw std::bad_alloc();
}

AeadKey::~AeadKey() { OPENSSL_cleanse(bytes, sizeof bytes); }

AeadContext::AeadContext(const AeadKey& key, Direction direction)
    : library_(aeadLibrary()),
      sealing_(direction == Direction::seal ? 1 : 0),
      gcm_(key.cipher == Cipher::aes128Gcm ? gcmLibrary() : nullptr) {
  if (gcm_ != nullptr) {
    gcmKey_ = std::make_unique<GcmKey>();
    gcm_->prepare(key.bytes, gcmKey_.get());
    return;
  }
  context_ = library_.contextNew();
  if (context_ == nullptr) throw std::bad_alloc();
  const bool aes = key.cipher == Cipher::aes128Gcm;
  const EVP_CIPHER* cipher = aes ? library_.aesGcm[0] : library_.chacha20Poly1305;
  if (library_.init(context_, cipher, key.bytes, nullptr, sealing_, nullptr) == 1) return;
  library_.contextFree(context_);
  throw std::bad_alloc();
}

AeadContext::~AeadContext() {
  if (gcmKey_ != nullptr) OPENSSL_cleanse(gcmKey_.get(), sizeof(GcmKey));
  library_.contextFree(context_);
}

bool AeadContext::run(const Nonce& nonce, u8* datagram, const u8* text, size_t length,
                      const OSSL_PARAM* parameters) {
  u8* out = datagram + kSealedHeader;
  int done = 0;
  return library_.init(context_, nullptr, nullptr, nonce.bytes, sealing_, parameters) == 1 &&
         library_.update(context_, nullptr, &done, datagram, kSealedHeader) == 1 &&
         library_.update(context_, out, &done, text, static_cast<int>(length)) == 1 &&
         library_.final(context_, out + done, &done) == 1;
}

bool AeadContext::seal(u64 counter, u8* datagram, const u8* text, size_t length) {
  const Nonce nonce(counter);
  u8* out = datagram + kSealedHeader;
  if (gcm_ != nullptr) {
    GcmScratch scratch;
    gcm_->seal(gcmKey_.get(), &scratch, out, text, length, nonce.bytes, datagram, kSealedHeader,
               out + length, kSealTag);
    return true;
  }
  TagParameter tag(out + length);
  return run(nonce, datagram, text, length, nullptr) &&
         library_.getParameters(context_, tag.parameters) == 1;
}

bool AeadContext::open(u64 counter, u8* datagram, size_t length) {
  const Nonce nonce(counter);
  u8* text = datagram + kSealedHeader;
  if (gcm_ != nullptr) {
    GcmScratch scratch;
    u8 computed[kSealTag];
    gcm_->open(gcmKey_.get(), &scratch, text, text, length, nonce.bytes, datagram, kSealedHeader,
               computed, kSealTag);
    return CRYPTO_memcmp(computed, text + length, kSealTag) == 0;
  }
  const TagParameter tag(text + length);
  return run(nonce, datagram, text, length, tag.parameters);
}

}  // namespace sojourn
