#include "seal/sealing-keys.h"

#include <algorithm>
#include <new>

namespace sojourn {
namespace {

template <class Present>
bool isSame(const Present* present, u32 tunnel, const SealingKey& desired) {
  return present != nullptr && present->tunnel == tunnel && present->spi == desired.spi &&
         present->contexts.key() == desired.key;
}

}  // namespace

void prepareSealing() {
  for (const Cipher cipher : {Cipher::aes128Gcm, Cipher::chacha20Poly1305}) {
    AeadKey key;
    key.cipher = cipher;
    const KeyFingerprint fingerprint(key);
    u8 datagram[kSealedOverhead + sizeof fingerprint] = {};
    AeadContext seal(key, AeadContext::Direction::seal);
    AeadContext open(key, AeadContext::Direction::open);
    const bool done = seal.seal(1, datagram, fingerprint.bytes, sizeof fingerprint) &&
                      open.open(1, datagram, sizeof fingerprint);
    if (!done) throw std::bad_alloc();
  }
}

void SealingKeys::set(const SealingKeysSpec& spec, EpochDomain& domain) {
  Tunnel& tunnel = tunnels_[spec.tunnel];
  std::vector<u32> spis;
  for (const SealingKey& key : spec.receive) {
    setReceiveKey(spec.tunnel, key, tunnel.notices, domain);
    spis.push_back(key.spi);
  }
  for (const u32 former : tunnel.spis) {
    const bool kept = std::find(spis.begin(), spis.end(), former) != spis.end();
    if (!kept) eraseReceiveKey(spec.tunnel, former, domain);
  }
  tunnel.spis = std::move(spis);
  // After the receive keys: the far end may answer the first packet that is sent.
  setSendKey(spec.tunnel, spec.send, domain);
}

void SealingKeys::erase(u32 id, EpochDomain& domain) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) return;
  sendKeys_.erase(id, domain);
  for (const u32 spi : found->second.spis) eraseReceiveKey(id, spi, domain);
  tunnels_.erase(found);
}

void SealingKeys::setSendKey(u32 tunnel, const std::optional<SealingKey>& desired,
                             EpochDomain& domain) {
  if (!desired.has_value()) {
    sendKeys_.erase(tunnel, domain);
    return;
  }
  if (isSame(sendKeys_.find(tunnel), tunnel, *desired)) return;
  auto* key = new SendKey{.tunnel = tunnel,
                          .spi = desired->spi,
                          .contexts = {desired->key, AeadContext::Direction::seal, slots_},
                          .counter = counters_.stateOf(desired->key)};
  sendKeys_.set(key, domain);
}

void SealingKeys::setReceiveKey(u32 tunnel, const SealingKey& desired,
                                const std::shared_ptr<RoamingNoticeLimit>& notices,
                                EpochDomain& domain) {
  if (isSame(receiveKeys_.find(desired.spi), tunnel, desired)) return;
  auto* key = new ReceiveKey{.spi = desired.spi,
                             .tunnel = tunnel,
                             .contexts = {desired.key, AeadContext::Direction::open, slots_},
                             .window = windows_.stateOf(desired.key),
                             .notices = notices};
  receiveKeys_.set(key, domain);
}

void SealingKeys::eraseReceiveKey(u32 tunnel, u32 spi, EpochDomain& domain) {
  const ReceiveKey* present = receiveKeys_.find(spi);
  if (present != nullptr && present->tunnel == tunnel) receiveKeys_.erase(spi, domain);
}

}  // namespace sojourn
