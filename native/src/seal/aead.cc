#include "seal/aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <new>

#include "seal/aead-library.h"

namespace sojourn {
namespace {

struct Nonce {
  u8 bytes[12] = {};
  explicit Nonce(u64 counter) {
    store32(bytes + 4, static_cast<u32>(counter >> 32));
    store32(bytes + 8, static_cast<u32>(counter));
  }
};

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
      context_(library_.contextNew()) {
  if (context_ == nullptr) throw std::bad_alloc();
  const bool aes = key.cipher == Cipher::aes128Gcm;
  const EVP_CIPHER* cipher = aes ? library_.aes128Gcm : library_.chacha20Poly1305;
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
  TagParameter tag(datagram + kSealedHeader + length);
  return run(counter, datagram, length, nullptr) &&
         library_.getParameters(context_, tag.parameters) == 1;
}

bool AeadContext::open(u64 counter, u8* datagram, size_t length) {
  const TagParameter tag(datagram + kSealedHeader + length);
  return run(counter, datagram, length, tag.parameters);
}

}  // namespace sojourn
