// The functions of a digest alone: EVP looks its algorithms up at each use, which takes longer than
// the digest of a handshake message.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/short-hmac.h"

#include <openssl/crypto.h>

namespace sojourn {
namespace {

constexpr size_t kBlock = 64;

void start(SHA256_CTX& state, const u8* key, size_t length, u8 mask) {
  u8 block[kBlock];
  for (size_t at = 0; at < kBlock; at++) {
    block[at] = static_cast<u8>((at < length ? key[at] : 0) ^ mask);
  }
  SHA256_Init(&state);
  SHA256_Update(&state, block, sizeof block);
}

}  // namespace

ShortHmac::ShortHmac(const u8* key, size_t length) {
  start(inner_, key, length, 0x36);
  start(outer_, key, length, 0x5c);
}

void ShortHmac::sign(const u8* data, size_t length, u8 (&mac)[kShortHmac]) const {
  u8 digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX state = inner_;
  SHA256_Update(&state, data, length);
  SHA256_Final(digest, &state);
  state = outer_;
  SHA256_Update(&state, digest, sizeof digest);
  SHA256_Final(digest, &state);
  std::memcpy(mac, digest, sizeof mac);
}

bool ShortHmac::verify(const u8* data, size_t length, const u8* mac) const {
  u8 expected[kShortHmac];
  sign(data, length, expected);
  return CRYPTO_memcmp(expected, mac, sizeof expected) == 0;
}

}  // namespace sojourn
