// Security associations of sealed tunnels: looked up by packet threads, set by JavaScript's thread.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "seal/seal.h"

namespace sojourn {

// What remains of the keys that are no longer used: how far they were. The youngest kRemembered of
// them.
template <class State>
class KeyLedger {
 public:
  static constexpr size_t kRemembered = 16384;

  // The state of `key`, the same one whenever the key comes again.
  std::shared_ptr<State> stateOf(const SealKey& key) {
    const KeyFingerprint fingerprint(key);
    std::shared_ptr<State>& state = states_[fingerprint];
    if (state == nullptr) {
      state = std::make_shared<State>();
      order_.push_back(fingerprint);
      forget();
    }
    return state;
  }
  size_t size() const { return states_.size(); }

 private:
  struct Hash {
    size_t operator()(const KeyFingerprint& fingerprint) const { return raw64(fingerprint.bytes); }
  };

  // From the oldest on; one that is still used goes to the end instead.
  void forget() {
    for (size_t looks = 0; order_.size() > kRemembered && looks < 2; looks++) {
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

  std::unordered_map<KeyFingerprint, std::shared_ptr<State>, Hash> states_;
  std::deque<KeyFingerprint> order_;
};

// Where a tunnel's packets came from beside its far end: told once a second for each place, for a
// few places at a time, because who is on the path can let packets come from anywhere.
class RoamingNotices {
 public:
  // `place`: a hash of address, port and relay index.
  bool allow(u64 place, u64 nowMs);

 private:
  static constexpr int kPlaces = 4;
  static constexpr u64 kIntervalMs = 1000;

  struct Told {
    u64 place = 0;
    u64 atMs = 0;
    bool used = false;
  };
  std::mutex mutex_;
  Told told_[kPlaces];
};

struct KeySpec {
  u32 spi = 0;
  SealKey key;
};

struct AssociationsSpec {
  u32 tunnel = 0;
  std::optional<KeySpec> send;
  std::vector<KeySpec> receive;
};

class Associations {
 public:
  // `slots`: threads that seal or open, JavaScript's included.
  explicit Associations(unsigned slots) : slots_(slots) {}

  // --- writers: the caller holds the tables' lock ---
  // All associations of a tunnel; what is already there stays as it is. An SPI that another tunnel
  // had is this one's from now on.
  void set(const AssociationsSpec& spec, EpochDomain& domain);
  void erase(u32 tunnel, EpochDomain& domain);

  // --- readers ---
  SendAssociation* sender(u32 tunnel) const { return senders_.find(tunnel); }
  ReceiveAssociation* receiver(u32 spi) const { return receivers_.find(spi); }

 private:
  struct Tunnel {
    std::vector<u32> spis;
    std::shared_ptr<RoamingNotices> notices = std::make_shared<RoamingNotices>();
  };

  void setSender(u32 tunnel, const std::optional<KeySpec>& wanted, EpochDomain& domain);
  void setReceiver(u32 tunnel, const KeySpec& wanted,
                   const std::shared_ptr<RoamingNotices>& notices, EpochDomain& domain);
  void eraseReceiver(u32 tunnel, u32 spi, EpochDomain& domain);

  const unsigned slots_;
  HashTable<SendAssociation> senders_;
  HashTable<ReceiveAssociation> receivers_;
  std::unordered_map<u32, Tunnel> tunnels_;
  KeyLedger<SendCounter> counters_;
  KeyLedger<ReplayWindow> windows_;
};

}  // namespace sojourn
