// HMAC-SHA-256 (RFC 2104) cut to 16 octets, with a key whose state is computed once.
#pragma once
#include <openssl/sha.h>

#include "base/bytes.h"

namespace sojourn {

constexpr size_t kShortHmac = 16;

class ShortHmac {
 public:
  // A key of at most 64 octets.
  ShortHmac(const u8* key, size_t length);

  void sign(const u8* data, size_t length, u8 (&mac)[kShortHmac]) const;
  // In constant time.
  bool verify(const u8* data, size_t length, const u8* mac) const;

 private:
  SHA256_CTX inner_;
  SHA256_CTX outer_;
};

}  // namespace sojourn
