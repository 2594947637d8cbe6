// The `sealed` framing (docs/ntmobile.md): one word of type and SPI, the low half of a 64-bit
// counter, one inner packet under an AEAD, its tag. Nonces and recovery of the counter's upper half
// after RFC 4303 §3.4.3 and appendix A2; AEAD after RFC 5116 and RFC 8439.
#pragma once
#include <openssl/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace sojourn {

constexpr size_t kSealedHeader = 8;
constexpr size_t kSealTag = 16;
constexpr size_t kSealedOverhead = kSealedHeader + kSealTag;
constexpr size_t kEnvelope = 4;
constexpr u32 kSpiMask = 0x0fffffff;

// The upper four bits of a datagram's first word.
enum class DatagramType : u8 {
  data = 1,
  control = 9,
  initiation = 10,
  response = 11,
  cookie = 12,
  envelope = 13
};

// Beyond it a key is spent: far below what either AEAD bears, and no counter ever wraps.
constexpr u64 kCounterLimit = u64{1} << 62;

enum class Cipher : u8 { aes128Gcm = 1, chacha20Poly1305 = 2 };

constexpr size_t keyLengthOf(Cipher cipher) { return cipher == Cipher::aes128Gcm ? 16 : 32; }

// Before any other use of the library; any number of times. Throws std::bad_alloc.
void prepareCryptography();

// Wiped when it goes. Octets behind the key's length are zero.
struct SealKey {
  Cipher cipher = Cipher::aes128Gcm;
  u8 bytes[32] = {};

  ~SealKey();
  bool operator==(const SealKey& other) const {
    return cipher == other.cipher && std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

struct AeadLibrary;

// A cipher that is set up for one key and one direction. Belongs to one thread.
class AeadContext {
 public:
  enum class Direction { seal, open };
  AeadContext(const SealKey& key, Direction direction);
  ~AeadContext();
  AeadContext(const AeadContext&) = delete;
  AeadContext& operator=(const AeadContext&) = delete;

  // `datagram` has kSealedHeader octets of associated data, `length` octets of text and room for
  // the tag.
  bool seal(u64 counter, u8* datagram, size_t length);
  // The same with the tag in place; what was text is then undefined unless it verified.
  bool open(u64 counter, u8* datagram, size_t length);

 private:
  bool run(u64 counter, u8* datagram, size_t length, const OSSL_PARAM* parameters);

  const AeadLibrary& library_;
  const int sealing_;
  EVP_CIPHER_CTX* const context_;
};

// One context for each thread that needs one, made when it first does. Entry `slot` belongs to one
// thread.
class AeadContexts {
 public:
  AeadContexts(const SealKey& key, AeadContext::Direction direction, unsigned slots)
      : key_(key), direction_(direction), contexts_(slots) {}

  AeadContext& of(unsigned slot) {
    std::unique_ptr<AeadContext>& context = contexts_[slot];
    if (context == nullptr) context = std::make_unique<AeadContext>(key_, direction_);
    return *context;
  }
  const SealKey& key() const { return key_; }

 private:
  const SealKey key_;
  const AeadContext::Direction direction_;
  std::vector<std::unique_ptr<AeadContext>> contexts_;
};

// How far a key has been used to send. It outlives the associations that use it, so that no value
// is used twice under one key.
class SendCounter {
 public:
  // A value that nobody else has or will have; 0 when the key is spent.
  u64 next() {
    if (last_.load(std::memory_order_relaxed) >= kCounterLimit) return 0;
    return last_.fetch_add(1, std::memory_order_relaxed) + 1;
  }
  u64 last() const { return last_.load(std::memory_order_relaxed); }
  // For tests of what lies far ahead.
  void skipTo(u64 value) { last_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<u64> last_{0};
};

// RFC 4303 appendix A2: the 64-bit counter whose low half is `low`, the one nearest to a window of
// kReplayWindow that ends at `top`.
u64 recoverCounter(u64 top, u32 low);

constexpr u64 kReplayWindow = 2048;

// Which counters of a key have come. Any number of threads.
class ReplayWindow {
 public:
  u64 top() const { return top_.load(std::memory_order_relaxed); }
  // Whether `counter` may still be taken; only a hint, but a no stays a no.
  bool mayTake(u64 counter) const;
  // To be called once the tag verified: true for exactly one of those that bring the same counter.
  bool take(u64 counter);

 private:
  // One word more than the window has, so that words are cleared whole (RFC 6479 §3).
  static constexpr u64 kWords = kReplayWindow / 64 + 1;

  std::atomic<u64> top_{0};
  std::atomic<u64> words_[kWords] = {};
  std::mutex mutex_;
};

// What of a tunnel goes out under which key.
struct SendAssociation {
  using Key = u32;

  u32 tunnel;
  u32 spi;
  AeadContexts contexts;
  std::shared_ptr<SendCounter> counter;

  // `datagram` has room for header, `length` octets of inner packet, which are there, and tag.
  // False when the key is spent.
  bool seal(unsigned slot, u8* datagram, size_t length);

  Key key() const { return tunnel; }
  bool matches(Key other) const { return tunnel == other; }
  static u64 hash(Key key);
  static void release(SendAssociation* association) { delete association; }
};

// SHA-256 of a key, to know it again without keeping it.
struct KeyFingerprint {
  u8 bytes[32];
  explicit KeyFingerprint(const SealKey& key);
  bool operator==(const KeyFingerprint& other) const {
    return std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

class RoamingNotices;

enum class Opened { packet, malformed, replayed, forged };

// What comes with one of our SPIs: its key, and the tunnel that it belongs to.
struct ReceiveAssociation {
  using Key = u32;

  u32 spi;
  u32 tunnel;
  AeadContexts contexts;
  std::shared_ptr<ReplayWindow> window;
  std::shared_ptr<RoamingNotices> notices;

  // In place: the inner packet begins kSealedHeader octets into `datagram` and is `length` -
  // kSealedOverhead octets long.
  Opened open(unsigned slot, u8* datagram, size_t length);

  Key key() const { return spi; }
  bool matches(Key other) const { return spi == other; }
  static u64 hash(Key key);
  static void release(ReceiveAssociation* association) { delete association; }
};

}  // namespace sojourn
