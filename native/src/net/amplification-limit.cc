#include "net/amplification-limit.h"

namespace sojourn {

AmplificationLimits::~AmplificationLimits() {
  for (const auto& [key, limit] : limits_) delete limit;
}

AmplificationLimit* AmplificationLimits::acquire(const Endpoint* endpoint,
                                                 const PeerValidation& peer) {
  if (peer.validated) return nullptr;
  AmplificationLimit*& limit = limits_[{endpoint, peer.group}];
  if (limit == nullptr) {
    limit = new AmplificationLimit;
    limit->key_ = {endpoint, peer.group};
  }
  limit->references_++;
  // The legs of a node are set one after another, and a later one may carry an older, smaller
  // credit.
  if (peer.creditOctets > limit->credit_.load(std::memory_order_relaxed)) {
    limit->credit_.store(peer.creditOctets, std::memory_order_relaxed);
  }
  return limit;
}

void AmplificationLimits::release(AmplificationLimit* limit, EpochDomain& domain) {
  if (limit == nullptr || --limit->references_ > 0) return;
  limits_.erase(limit->key_);
  domain.retire(limit);
}

}  // namespace sojourn
