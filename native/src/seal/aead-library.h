// Whose OpenSSL seals: our own copy, or the one that the process has already when that is newer.
//
// Node exports the OpenSSL that it was built with. Version 3.5's AES-GCM takes half as long as that
// of version 3.0, which Debian 12 has to link with (vector AES and carry-less multiplication came
// with 3.2), and sealing is a third of what a sealed packet costs. Functions of 3.x stay the same
// ones as long as its first digit does: OpenSSL's versioning policy.
#pragma once
#include <openssl/types.h>

#include "base/bytes.h"

namespace sojourn {

struct AeadLibrary {
  EVP_CIPHER* aes128Gcm;
  EVP_CIPHER* chacha20Poly1305;
  EVP_CIPHER_CTX* (*contextNew)();
  void (*contextFree)(EVP_CIPHER_CTX*);
  int (*init)(EVP_CIPHER_CTX*, const EVP_CIPHER*, const u8* key, const u8* nonce, int sealing,
              const OSSL_PARAM*);
  int (*update)(EVP_CIPHER_CTX*, u8* out, int* written, const u8* in, int length);
  int (*final)(EVP_CIPHER_CTX*, u8* out, int* written);
  int (*getParameters)(EVP_CIPHER_CTX*, OSSL_PARAM*);
};

// Chosen at the first call. Throws std::bad_alloc when no library has both ciphers.
const AeadLibrary& aeadLibrary();

}  // namespace sojourn
