#include "seal/key-history.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <new>

namespace sojourn {

KeyFingerprint::KeyFingerprint(const AeadKey& key) {
  prepareCryptography();
  u8 input[1 + sizeof key.bytes];
  input[0] = static_cast<u8>(key.cipher);
  std::memcpy(input + 1, key.bytes, sizeof key.bytes);
  u8 digest[32];
  const int done = EVP_Digest(input, sizeof input, digest, nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(input, sizeof input);
  std::memcpy(bytes, digest, sizeof bytes);
  if (done != 1) throw std::bad_alloc();
}

}  // namespace sojourn
