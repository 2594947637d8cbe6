#include "relay/relay-legs.h"

#include "tables/tables.h"

namespace sojourn {

bool RelayLeg::admits(u64 octets, u64 nowMs, RelayDrop& reason) const {
  if (!way.mayTake(octets)) {
    reason = RelayDrop::unvalidated;
    return false;
  }
  if (!state->rate.take(octets, rateKilobits, nowMs)) {
    reason = RelayDrop::rate;
    return false;
  }
  return true;
}

RelayLegs::~RelayLegs() {
  legs_.forEach([](const RelayLeg& leg) { delete leg.state; });
}

FarEnd RelayLegs::set(const RelayLegSpec& spec, const FarEnd& farEnd, EpochDomain& domain) {
  const RelayLeg* former = legs_.find(spec.index);
  const FarEnd left = former == nullptr ? FarEnd{} : former->way.farEnd();
  RelayLegState* state = former == nullptr ? new RelayLegState : former->state;
  Tunnel way{0,
             Encapsulation::sealed,
             spec.family,
             0,
             0,
             spec.local,
             spec.index,
             farEnd.endpoint,
             &state->counters,
             true,
             farEnd.account};
  // What every path carries: for fragments towards one of which nothing is known.
  way.mtu = static_cast<u16>(kIpv6MinimumMtu - way.overhead());
  legs_.set(new RelayLeg{spec.index, spec.other, spec.rateKilobits, way, state}, domain);
  return left;
}

FarEnd RelayLegs::erase(u32 index, EpochDomain& domain) {
  const RelayLeg* leg = legs_.find(index);
  if (leg == nullptr) return {};
  const FarEnd left = leg->way.farEnd();
  RelayLegState* state = leg->state;
  legs_.erase(index, domain);
  domain.retire(state);
  return left;
}

void Tables::relayLegSet(const RelayLegSpec& spec) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const FarEnd farEnd =
      acquireFarEnd({spec.remote, spec.remotePort, spec.family, Encapsulation::sealed}, spec.place);
  releaseFarEnd(relayLegs_.set(spec, farEnd, domain_));
}

void Tables::relayLegDelete(u32 index) {
  const std::lock_guard<std::mutex> guard(mutex_);
  releaseFarEnd(relayLegs_.erase(index, domain_));
}

}  // namespace sojourn
