// AEAD of sealed datagrams: RFC 5116, AES-GCM and ChaCha20-Poly1305 (RFC 8439).
#pragma once
#include <openssl/types.h>

#include <atomic>
#include <memory>

#include "net/sealed-datagram.h"
#include "seal/gcm-library.h"

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
struct Nonce;

// A cipher set up for one key and one direction. Belongs to one thread.
class AeadContext {
 public:
  enum class Direction : u8 { seal, open };
  AeadContext(const AeadKey& key, Direction direction);
  ~AeadContext();
  AeadContext(const AeadContext&) = delete;
  AeadContext& operator=(const AeadContext&) = delete;

  // Seals the `length` octets of `text` behind the kSealedHeader octets of associated data in
  // `datagram`, which has room for them and the tag. `text` is either there already or elsewhere.
  bool seal(u64 counter, u8* datagram, const u8* text, size_t length);
  // The inverse, with the tag in place. The plaintext is undefined unless this returns true.
  bool open(u64 counter, u8* datagram, size_t length);

 private:
  bool run(const Nonce& nonce, u8* datagram, const u8* text, size_t length,
           const OSSL_PARAM* parameters);

  const AeadLibrary& library_;
  const int sealing_;
  // Null if OpenSSL seals.
  const GcmLibrary* const gcm_;
  std::unique_ptr<GcmKey> gcmKey_;
  EVP_CIPHER_CTX* context_ = nullptr;
};

// One context for each thread, made at its first use: most keys of a large home agent seal nothing
// for a long time. The entry of `slot` belongs to one thread.
class AeadContexts {
 public:
  AeadContexts(const AeadKey& key, AeadContext::Direction direction, unsigned slots)
      : key_(key), direction_(direction), slots_(static_cast<u16>(slots)) {}
  ~AeadContexts() { delete[] contexts_.load(std::memory_order_relaxed); }
  AeadContexts(const AeadContexts&) = delete;
  AeadContexts& operator=(const AeadContexts&) = delete;

  AeadContext& of(unsigned slot) {
    Entry* entries = contexts_.load(std::memory_order_acquire);
    if (entries == nullptr) entries = makeEntries();
    if (entries[slot] == nullptr) entries[slot] = std::make_unique<AeadContext>(key_, direction_);
    return *entries[slot];
  }
  const AeadKey& key() const { return key_; }

 private:
  using Entry = std::unique_ptr<AeadContext>;

  // Of several threads that begin at once, one succeeds.
  Entry* makeEntries() {
    auto made = std::make_unique<Entry[]>(slots_);
    Entry* present = nullptr;
    const bool first =
        contexts_.compare_exchange_strong(present, made.get(), std::memory_order_acq_rel);
    return first ? made.release() : present;
  }

  const AeadKey key_;
  const AeadContext::Direction direction_;
  const u16 slots_;
  std::atomic<Entry*> contexts_{nullptr};
};

}  // namespace sojourn
