// Cookie replies (docs/reference/ntmobile.md §4.4), which a responder under load sends in place of
// any other work.
#pragma once
#include <openssl/types.h>

#include "control/short-hmac.h"
#include "seal/aead.h"

namespace sojourn {

// The first word, the nonce, the sealed cookie and its tag.
struct CookieReply {
  static constexpr size_t kNonce = 12;
  u8 octets[4 + kNonce + kShortHmac + kSealTag];
};

// Belongs to one thread at a time.
class CookieSealer {
 public:
  // ChaCha20-Poly1305.
  explicit CookieSealer(const u8 (&key)[32]);
  ~CookieSealer();
  CookieSealer(const CookieSealer&) = delete;
  CookieSealer& operator=(const CookieSealer&) = delete;

  // `spi`: the initiator's. `mac1`: of its initiation, kShortHmac octets. False: no random octets.
  bool seal(u32 spi, const u8* mac1, const u8 (&cookie)[kShortHmac], CookieReply& reply);

 private:
  const AeadLibrary& library_;
  EVP_CIPHER_CTX* const context_;
};

}  // namespace sojourn
