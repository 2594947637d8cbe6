// The sealing keys of all tunnels: packet threads look them up, JavaScript's thread sets them.
#pragma once
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "seal/key-history.h"
#include "seal/sealing-key.h"

namespace sojourn {

struct SealingKey {
  u32 spi = 0;
  AeadKey key;
};

struct SealingKeysSpec {
  u32 tunnel = 0;
  // None: the tunnel sends nothing.
  std::optional<SealingKey> send;
  std::vector<SealingKey> receive;
};

// Seals one packet with each cipher and each library, so that the first registration does not wait
// until they are loaded. Throws std::bad_alloc if there is no cipher.
void prepareSealing();

class SealingKeys {
 public:
  // `slots`: threads that seal or open, JavaScript's included.
  explicit SealingKeys(unsigned slots) : slots_(slots) {}

  // --- writers: the caller holds the tables' lock ---
  // All keys of a tunnel; those that it has already stay as they are. An SPI of another tunnel
  // moves to this one.
  void set(const SealingKeysSpec& spec, EpochDomain& domain);
  void erase(u32 tunnel, EpochDomain& domain);

  // --- readers ---
  SendKey* sendKey(u32 tunnel) const { return sendKeys_.find(tunnel); }
  ReceiveKey* receiveKey(u32 spi) const { return receiveKeys_.find(spi); }

 private:
  struct Tunnel {
    std::vector<u32> spis;
    std::shared_ptr<RoamingNoticeLimit> notices = std::make_shared<RoamingNoticeLimit>();
  };

  void setSendKey(u32 tunnel, const std::optional<SealingKey>& desired, EpochDomain& domain);
  void setReceiveKey(u32 tunnel, const SealingKey& desired,
                     const std::shared_ptr<RoamingNoticeLimit>& notices, EpochDomain& domain);
  void eraseReceiveKey(u32 tunnel, u32 spi, EpochDomain& domain);

  const unsigned slots_;
  HashTable<SendKey> sendKeys_;
  HashTable<ReceiveKey> receiveKeys_;
  std::unordered_map<u32, Tunnel> tunnels_;
  KeyHistory<SendCounter> counters_;
  KeyHistory<ReplayWindow> windows_;
};

}  // namespace sojourn
