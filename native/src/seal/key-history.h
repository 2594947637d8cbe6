// The counter or the replay window of a key outlives the key's use: a key that is set again
// continues from there.
#pragma once
#include <deque>
#include <memory>
#include <unordered_map>

#include "esp/esp-cipher.h"
#include "seal/aead.h"

namespace sojourn {

// The first half of the SHA-256 of a key: recognises the key without keeping it.
struct KeyFingerprint {
  u8 bytes[16];
  explicit KeyFingerprint(const AeadKey& key);
  explicit KeyFingerprint(const EspKey& key);
  bool operator==(const KeyFingerprint& other) const {
    return std::memcmp(bytes, other.bytes, sizeof bytes) == 0;
  }
};

// The State (SendCounter, ReplayWindow) of each of the latest kRemembered keys, and of all in use.
template <class State>
class KeyHistory {
 public:
  static constexpr size_t kRemembered = 16384;

  // `limit`: of keys that are not in use.
  explicit KeyHistory(size_t limit = kRemembered) : limit_(limit) {}

  // The same State for each call with the same key.
  template <class Key>
  std::shared_ptr<State> stateOf(const Key& key) {
    const KeyFingerprint fingerprint(key);
    std::shared_ptr<State>& state = states_[fingerprint];
    if (state == nullptr) {
      state = std::make_shared<State>();
      order_.push_back(fingerprint);
      evict();
    }
    return state;
  }
  size_t size() const { return states_.size(); }

 private:
  struct Hash {
    size_t operator()(const KeyFingerprint& fingerprint) const { return raw64(fingerprint.bytes); }
  };

  // Evicts the oldest key; one that is still in use moves to the end.
  void evict() {
    for (size_t looks = 0; order_.size() > limit_ && looks < 2; looks++) {
      const KeyFingerprint oldest = order_.front();
      order_.pop_front();
      const auto found = states_.find(oldest);
      if (found->second.use_count() > 1) {
        order_.push_back(oldest);
      } else {
        states_.erase(found);
      }
    }
  }

  const size_t limit_;
  std::unordered_map<KeyFingerprint, std::shared_ptr<State>, Hash> states_;
  std::deque<KeyFingerprint> order_;
};

}  // namespace sojourn
