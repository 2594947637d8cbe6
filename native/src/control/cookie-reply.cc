#include "control/cookie-reply.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <sys/random.h>

#include <new>

#include "seal/aead-library.h"

namespace sojourn {

CookieSealer::CookieSealer(const u8 (&key)[32])
    : library_(aeadLibrary()), context_(library_.contextNew()) {
  if (context_ == nullptr) throw std::bad_alloc();
  if (library_.init(context_, library_.chacha20Poly1305, key, nullptr, 1, nullptr) == 1) return;
  library_.contextFree(context_);
  throw std::bad_alloc();
}

CookieSealer::~CookieSealer() { library_.contextFree(context_); }

bool CookieSealer::seal(u32 spi, const u8* mac1, const u8 (&cookie)[kShortHmac],
                        CookieReply& reply) {
  store32(reply.octets, firstWord(DatagramType::cookie, spi));
  u8* nonce = reply.octets + 4;
  u8* text = nonce + CookieReply::kNonce;
  const ssize_t random = ::getrandom(nonce, CookieReply::kNonce, GRND_NONBLOCK);
  if (random != static_cast<ssize_t>(CookieReply::kNonce)) return false;
  OSSL_PARAM tag[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                        text + sizeof cookie, kSealTag),
                      OSSL_PARAM_construct_end()};
  int done = 0;
  return library_.init(context_, nullptr, nullptr, nonce, 1, nullptr) == 1 &&
         library_.update(context_, nullptr, &done, mac1, kShortHmac) == 1 &&
         library_.update(context_, text, &done, cookie, sizeof cookie) == 1 &&
         library_.final(context_, text + done, &done) == 1 &&
         library_.getParameters(context_, tag) == 1;
}

}  // namespace sojourn
