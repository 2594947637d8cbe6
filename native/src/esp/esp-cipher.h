// The algorithms of ESP (RFC 4303 §3.3, §3.4) in place: AES-GCM (RFC 4106), AES-CBC (RFC 3602) or
// no encryption (RFC 2410), the latter two with HMAC-SHA-256-128 (RFC 4868).
#pragma once
#include <openssl/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "control/short-hmac.h"
#include "tables/protection.h"

namespace sojourn {

// The destructor wipes the key. Octets behind `length` are zero.
struct EspKey {
  static constexpr size_t kLargest = 64;

  Protection algorithm = Protection::espGcm;
  // The integrity check value covers 64 bits of the sequence number (RFC 4303 §2.2.1).
  bool extended = true;
  u8 length = 0;
  // The encryption key, then the salt or the key of the HMAC.
  u8 bytes[kLargest] = {};

  ~EspKey();
  bool operator==(const EspKey& other) const {
    return algorithm == other.algorithm && extended == other.extended && length == other.length &&
           std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
  size_t otherOctets() const { return algorithm == Protection::espGcm ? 4 : 32; }
  size_t cipherOctets() const { return length - otherOctets(); }
  const u8* other() const { return bytes + cipherOctets(); }
  // A length that the algorithm has.
  bool isSound() const;
};

struct AeadLibrary;

// Set up for one key and one direction. Belongs to one thread.
class EspCipher {
 public:
  enum class Direction { seal, open };
  EspCipher(const EspKey& key, Direction direction);
  ~EspCipher();
  EspCipher(const EspCipher&) = delete;
  EspCipher& operator=(const EspCipher&) = delete;

  // `packet` has SPI and sequence number, room for the initialization vector, `length` octets of
  // payload with padding and trailer, and room for the integrity check value. `nonce` is never
  // used twice under the key.
  bool seal(u64 sequence, u64 nonce, u8* packet, size_t length);
  // The inverse, with everything in place. The payload is undefined unless this returns true.
  bool open(u64 sequence, u8* packet, size_t length);

 private:
  bool sealGcm(u64 sequence, u64 nonce, u8* packet, size_t length);
  bool openGcm(u64 sequence, u8* packet, size_t length);
  bool runGcm(u64 sequence, u8* packet, size_t length, const OSSL_PARAM* parameters);
  bool runCbc(const u8* iv, u8* text, size_t length);
  void icv(u64 sequence, u8* packet, size_t covered, u8 (&mac)[kEspIcv]) const;

  const AeadLibrary& library_;
  const Protection algorithm_;
  const bool extended_;
  const int sealing_;
  u8 salt_[4] = {};
  std::optional<ShortHmac> hmac_;
  EVP_CIPHER_CTX* context_ = nullptr;
};

// One cipher for each thread, made at its first use. The entry of `slot` belongs to one thread.
class EspCiphers {
 public:
  EspCiphers(const EspKey& key, EspCipher::Direction direction, unsigned slots)
      : key_(key), direction_(direction), ciphers_(slots) {}

  EspCipher& of(unsigned slot) {
    std::unique_ptr<EspCipher>& cipher = ciphers_[slot];
    if (cipher == nullptr) cipher = std::make_unique<EspCipher>(key_, direction_);
    return *cipher;
  }
  const EspKey& key() const { return key_; }

 private:
  const EspKey key_;
  const EspCipher::Direction direction_;
  std::vector<std::unique_ptr<EspCipher>> ciphers_;
};

}  // namespace sojourn
