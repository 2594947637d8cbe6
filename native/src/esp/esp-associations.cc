#include "esp/esp-associations.h"

namespace sojourn {
namespace {

template <class Present>
bool isSame(const Present* present, u32 tunnel, u32 spi, const EspKey& key) {
  return present != nullptr && present->tunnel == tunnel && present->spi == spi &&
         present->ciphers.key() == key;
}

}  // namespace

void EspAssociations::set(const EspKeysSpec& spec, EpochDomain& domain) {
  const auto former = spis_.find(spec.tunnel);
  if (former != spis_.end() && former->second != spec.receive.spi) {
    eraseReceive(spec.tunnel, former->second, domain);
  }
  setReceive(spec.tunnel, spec.receive, domain);
  spis_[spec.tunnel] = spec.receive.spi;
  // After the receive key: the far end may answer the first packet that is sent.
  setSend(spec.tunnel, spec.send, domain);
  count_.store(static_cast<u32>(spis_.size()), std::memory_order_relaxed);
}

void EspAssociations::erase(u32 tunnel, EpochDomain& domain) {
  const auto found = spis_.find(tunnel);
  if (found == spis_.end()) return;
  sendKeys_.erase(tunnel, domain);
  eraseReceive(tunnel, found->second, domain);
  spis_.erase(found);
  count_.store(static_cast<u32>(spis_.size()), std::memory_order_relaxed);
}

void EspAssociations::setSend(u32 tunnel, const std::optional<EspKeysSpec::Send>& desired,
                              EpochDomain& domain) {
  if (!desired.has_value()) {
    sendKeys_.erase(tunnel, domain);
    return;
  }
  const std::shared_ptr<EspCounter> counter = counters_.stateOf(desired->key);
  counter->lease(desired->from, desired->until);
  const EspSendKey* present = sendKeys_.find(tunnel);
  if (isSame(present, tunnel, desired->spi, desired->key) && present->epoch == desired->epoch) {
    return;
  }
  auto* key = new EspSendKey{.tunnel = tunnel,
                             .spi = desired->spi,
                             .epoch = desired->epoch,
                             .ciphers = {desired->key, EspCipher::Direction::seal, slots_},
                             .counter = counter};
  sendKeys_.set(key, domain);
}

void EspAssociations::setReceive(u32 tunnel, const EspKeysSpec::Receive& desired,
                                 EpochDomain& domain) {
  const std::shared_ptr<ReplayWindow> window = windows_.stateOf(desired.key);
  window->startAfter(desired.after);
  if (isSame(receiveKeys_.find(desired.spi), tunnel, desired.spi, desired.key)) return;
  auto* key = new EspReceiveKey{.spi = desired.spi,
                                .tunnel = tunnel,
                                .ciphers = {desired.key, EspCipher::Direction::open, slots_},
                                .window = window,
                                .notices = std::make_shared<RoamingNoticeLimit>()};
  receiveKeys_.set(key, domain);
}

void EspAssociations::eraseReceive(u32 tunnel, u32 spi, EpochDomain& domain) {
  const EspReceiveKey* present = receiveKeys_.find(spi);
  if (present != nullptr && present->tunnel == tunnel) receiveKeys_.erase(spi, domain);
}

}  // namespace sojourn
