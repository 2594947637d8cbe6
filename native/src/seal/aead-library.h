// The OpenSSL that seals: the copy linked into the addon, or the one that the process already has
// if that is newer.
//
// Node exports the OpenSSL that it was built with. AES-GCM takes half as long in version 3.5 as in
// version 3.0, which Debian 12 links (3.2 brought vector AES and carry-less multiplication), and
// sealing is a third of the cost of a sealed packet. The functions of all 3.x versions are
// compatible: OpenSSL's versioning policy.
#pragma once
#include <openssl/types.h>

#include "base/bytes.h"

namespace sojourn {

struct AeadLibrary {
  // By the length of the key: 16, 24, 32 octets.
  EVP_CIPHER* aesGcm[3];
  EVP_CIPHER* aesCbc[3];
  EVP_CIPHER* chacha20Poly1305;
  EVP_CIPHER_CTX* (*contextNew)();
  void (*contextFree)(EVP_CIPHER_CTX*);
  int (*init)(EVP_CIPHER_CTX*, const EVP_CIPHER*, const u8* key, const u8* nonce, int sealing,
              const OSSL_PARAM*);
  int (*update)(EVP_CIPHER_CTX*, u8* out, int* written, const u8* in, int length);
  int (*final)(EVP_CIPHER_CTX*, u8* out, int* written);
  int (*getParameters)(EVP_CIPHER_CTX*, OSSL_PARAM*);
};

// Chosen at the first call. Throws std::bad_alloc if no library has all ciphers.
const AeadLibrary& aeadLibrary();

}  // namespace sojourn
