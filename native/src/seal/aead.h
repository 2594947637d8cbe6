// AEAD of sealed datagrams: RFC 5116, AES-GCM and ChaCha20-Poly1305 (RFC 8439).
#pragma once
#include <openssl/types.h>

#include <memory>
#include <vector>

#include "net/sealed-datagram.h"

namespace sojourn {

enum class Cipher : u8 { aes128Gcm = 1, chacha20Poly1305 = 2 };

constexpr size_t keyLengthOf(Cipher cipher) { return cipher == Cipher::aes128Gcm ? 16 : 32; }

// Call before any other use of the library, any number of times. Throws std::bad_alloc.
void prepareCryptography();

// The destructor wipes the key. Octets behind the key's length are zero.
struct AeadKey {
  Cipher cipher = Cipher::aes128Gcm;
  u8 bytes[32] = {};

  ~AeadKey();
  bool operator==(const AeadKey& other) const {
    return cipher == other.cipher && std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

struct AeadLibrary;

// A cipher set up for one key and one direction. Belongs to one thread.
class AeadContext {
 public:
  enum class Direction { seal, open };
  AeadContext(const AeadKey& key, Direction direction);
  ~AeadContext();
  AeadContext(const AeadContext&) = delete;
  AeadContext& operator=(const AeadContext&) = delete;

  // `datagram` has kSealedHeader octets of associated data, `length` octets of plaintext and room
  // for the tag.
  bool seal(u64 counter, u8* datagram, size_t length);
  // The inverse, with the tag in place. The plaintext is undefined unless this returns true.
  bool open(u64 counter, u8* datagram, size_t length);

 private:
  bool run(u64 counter, u8* datagram, size_t length, const OSSL_PARAM* parameters);

  const AeadLibrary& library_;
  const int sealing_;
  EVP_CIPHER_CTX* const context_;
};

// One context for each thread, made at its first use. The entry of `slot` belongs to one thread.
class AeadContexts {
 public:
  AeadContexts(const AeadKey& key, AeadContext::Direction direction, unsigned slots)
      : key_(key), direction_(direction), contexts_(slots) {}

  AeadContext& of(unsigned slot) {
    std::unique_ptr<AeadContext>& context = contexts_[slot];
    if (context == nullptr) context = std::make_unique<AeadContext>(key_, direction_);
    return *context;
  }
  const AeadKey& key() const { return key_; }

 private:
  const AeadKey key_;
  const AeadContext::Direction direction_;
  std::vector<std::unique_ptr<AeadContext>> contexts_;
};

}  // namespace sojourn
