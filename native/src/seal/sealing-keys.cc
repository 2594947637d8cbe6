#include "seal/sealing-keys.h"

#include <algorithm>

namespace sojourn {

bool RoamingNotices::allow(u64 place, u64 nowMs) {
  const std::lock_guard<std::mutex> guard(mutex_);
  Told* free = nullptr;
  for (Told& told : told_) {
    const bool recent = told.used && nowMs - told.atMs < kIntervalMs;
    if (recent && told.place == place) return false;
    if (!recent) free = &told;
  }
  if (free == nullptr) return false;
  *free = {place, nowMs, true};
  return true;
}

void Associations::set(const AssociationsSpec& spec, EpochDomain& domain) {
  Tunnel& tunnel = tunnels_[spec.tunnel];
  std::vector<u32> spis;
  for (const KeySpec& one : spec.receive) {
    setReceiver(spec.tunnel, one, tunnel.notices, domain);
    spis.push_back(one.spi);
  }
  for (const u32 former : tunnel.spis) {
    if (std::find(spis.begin(), spis.end(), former) == spis.end()) {
      eraseReceiver(spec.tunnel, former, domain);
    }
  }
  tunnel.spis = std::move(spis);
  // Behind what receives: the far end may answer the first packet that goes out.
  setSender(spec.tunnel, spec.send, domain);
}

void Associations::erase(u32 id, EpochDomain& domain) {
  const auto found = tunnels_.find(id);
  if (found == tunnels_.end()) return;
  senders_.erase(id, domain);
  for (const u32 spi : found->second.spis) eraseReceiver(id, spi, domain);
  tunnels_.erase(found);
}

void Associations::setSender(u32 tunnel, const std::optional<KeySpec>& wanted,
                             EpochDomain& domain) {
  if (!wanted.has_value()) {
    senders_.erase(tunnel, domain);
    return;
  }
  const SendAssociation* present = senders_.find(tunnel);
  if (present != nullptr && present->spi == wanted->spi && present->contexts.key() == wanted->key) {
    return;
  }
  senders_.set(new SendAssociation{tunnel, wanted->spi,
                                   AeadContexts(wanted->key, AeadContext::Direction::seal, slots_),
                                   counters_.stateOf(wanted->key)},
               domain);
}

void Associations::setReceiver(u32 tunnel, const KeySpec& wanted,
                               const std::shared_ptr<RoamingNotices>& notices,
                               EpochDomain& domain) {
  const ReceiveAssociation* present = receivers_.find(wanted.spi);
  if (present != nullptr && present->tunnel == tunnel && present->contexts.key() == wanted.key) {
    return;
  }
  receivers_.set(
      new ReceiveAssociation{wanted.spi, tunnel,
                             AeadContexts(wanted.key, AeadContext::Direction::open, slots_),
                             windows_.stateOf(wanted.key), notices},
      domain);
}

void Associations::eraseReceiver(u32 tunnel, u32 spi, EpochDomain& domain) {
  const ReceiveAssociation* present = receivers_.find(spi);
  if (present != nullptr && present->tunnel == tunnel) receivers_.erase(spi, domain);
}

}  // namespace sojourn
