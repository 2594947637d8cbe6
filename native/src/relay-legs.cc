#include "relay-legs.h"

#include "tables.h"

namespace sojourn {

bool RelayLeg::admits(u64 octets, u64 nowMs, RelayDrop& reason) const {
  if (!validated && !place->take(octets)) {
    reason = RelayDrop::unvalidated;
    return false;
  }
  if (!state->rate.take(octets, rateKilobits, nowMs)) {
    reason = RelayDrop::rate;
    return false;
  }
  if (validated) place->went(octets);
  return true;
}

RelayLegs::~RelayLegs() {
  legs_.forEach([](const RelayLeg& leg) {
    delete leg.state;
    delete leg.place;
  });
}

Endpoint* RelayLegs::set(const RelayLegSpec& spec, Endpoint* endpoint, EpochDomain& domain) {
  const RelayLeg* former = legs_.find(spec.index);
  Endpoint* left = former == nullptr ? nullptr : former->way.endpoint;
  RelayLegState* state = former == nullptr ? new RelayLegState : former->state;
  RelayPlace* formerPlace = former == nullptr ? nullptr : former->place;
  RelayPlace* place = left == endpoint ? formerPlace : new RelayPlace;
  Tunnel way{0, Encapsulation::sealed, spec.family, 0, 0, spec.local, spec.index, endpoint, &state->counters, true};
  // What every path carries: for fragments towards one of which nothing is known.
  way.mtu = static_cast<u16>(kIpv6MinimumMtu - way.overhead());
  legs_.set(new RelayLeg{spec.index, spec.other, spec.validated, spec.rateKilobits, way, state, place}, domain);
  if (place != formerPlace) domain.retire(formerPlace);
  return left;
}

Endpoint* RelayLegs::erase(u32 index, EpochDomain& domain) {
  const RelayLeg* leg = legs_.find(index);
  if (leg == nullptr) return nullptr;
  Endpoint* left = leg->way.endpoint;
  RelayLegState* state = leg->state;
  RelayPlace* place = leg->place;
  legs_.erase(index, domain);
  domain.retire(state);
  domain.retire(place);
  return left;
}

void Tables::relayLegSet(const RelayLegSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  Endpoint* endpoint = acquireEndpoint({spec.remote, spec.remotePort, spec.family, Encapsulation::sealed});
  Endpoint* left = relayLegs_.set(spec, endpoint, domain_);
  if (left != nullptr) releaseEndpoint(left);
}

void Tables::relayLegDelete(u32 index) {
  const std::lock_guard<std::mutex> guard(mutex_);
  Endpoint* left = relayLegs_.erase(index, domain_);
  if (left != nullptr) releaseEndpoint(left);
}

}  // namespace sojourn
