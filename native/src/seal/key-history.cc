#include "seal/key-history.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <new>

namespace sojourn {
namespace {

template <size_t N, size_t M>
void digest(u8 first, const u8 (&key)[N], u8 (&into)[M]) {
  prepareCryptography();
  u8 input[1 + N];
  input[0] = first;
  std::memcpy(input + 1, key, N);
  u8 whole[32];
  const int done = EVP_Digest(input, sizeof input, whole, nullptr, EVP_sha256(), nullptr);
  OPENSSL_cleanse(input, sizeof input);
  std::memcpy(into, whole, M);
  if (done != 1) throw std::bad_alloc();
}

}  // namespace

KeyFingerprint::KeyFingerprint(const AeadKey& key) {
  digest(static_cast<u8>(key.cipher), key.bytes, bytes);
}

KeyFingerprint::KeyFingerprint(const EspKey& key) {
  digest(static_cast<u8>(key.algorithm), key.bytes, bytes);
}

}  // namespace sojourn
