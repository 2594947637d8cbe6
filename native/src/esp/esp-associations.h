// The associations of all ESP tunnels: packet threads look them up, JavaScript's thread sets them.
#pragma once
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/epoch.h"
#include "base/hash-table.h"
#include "esp/esp-association.h"
#include "seal/key-history.h"

namespace sojourn {

struct EspKeysSpec {
  struct Send {
    u32 spi = 0;
    EspKey key;
    u32 epoch = 0;
    // The lease of sequence numbers.
    u64 from = 1;
    u64 until = 0;
  };
  struct Receive {
    u32 spi = 0;
    EspKey key;
    // The highest sequence number that an earlier run received; 0: none.
    u64 after = 0;
  };

  u32 tunnel = 0;
  // None: the tunnel sends nothing.
  std::optional<Send> send;
  Receive receive;
};

class EspAssociations {
 public:
  explicit EspAssociations(unsigned slots) : slots_(slots) {}

  // --- writers: the caller holds the tables' lock ---
  // The keys of a tunnel. A key that it has already continues its counter or window.
  void set(const EspKeysSpec& spec, EpochDomain& domain);
  void erase(u32 tunnel, EpochDomain& domain);
  // Calls visit(tunnel, last sequence number sent, highest received) for each tunnel.
  template <class Visit>
  void forEach(Visit visit) const {
    for (const auto& [tunnel, spi] : spis_) {
      const EspSendKey* send = sendKeys_.find(tunnel);
      const EspReceiveKey* receive = receiveKeys_.find(spi);
      const bool received = receive != nullptr && receive->tunnel == tunnel;
      visit(tunnel, send == nullptr ? 0 : send->counter->last(),
            received ? receive->window->top() : 0);
    }
  }

  // --- readers ---
  EspSendKey* sendKey(u32 tunnel) const { return sendKeys_.find(tunnel); }
  EspReceiveKey* receiveKey(u32 spi) const { return receiveKeys_.find(spi); }
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }

 private:
  void setSend(u32 tunnel, const std::optional<EspKeysSpec::Send>& desired, EpochDomain& domain);
  void setReceive(u32 tunnel, const EspKeysSpec::Receive& desired, EpochDomain& domain);
  void eraseReceive(u32 tunnel, u32 spi, EpochDomain& domain);

  const unsigned slots_;
  std::atomic<u32> count_{0};
  HashTable<EspSendKey> sendKeys_;
  HashTable<EspReceiveKey> receiveKeys_;
  // The SPI at which each tunnel receives.
  std::unordered_map<u32, u32> spis_;
  // The configuration bounds the keys.
  KeyHistory<EspCounter> counters_{SIZE_MAX};
  KeyHistory<ReplayWindow> windows_{SIZE_MAX};
};

}  // namespace sojourn
