#include "relay/relay-legs.h"

namespace sojourn {
namespace {

Tunnel tunnelOf(const RelayLegSpec& spec, const FarEnd& farEnd, RelayLegState& state) {
  Tunnel tunnel{.protection = Protection::sealed,
                .relayLeg = true,
                .path = spec.path,
                .endpoint = farEnd.endpoint,
                .counters = &state.counters,
                .limit = farEnd.limit};
  tunnel.path.relayIndex = spec.index;
  // The minimum MTU of IPv6, for fragments while the path MTU is unknown.
  tunnel.mtu = static_cast<u16>(kIpv6MinimumMtu - tunnel.overhead());
  return tunnel;
}

}  // namespace

bool RelayLeg::admits(u64 octets, u64 nowMs, RelayDrop& reason) const {
  if (!tunnel.maySend(octets)) {
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
  const FarEnd left = former == nullptr ? FarEnd{} : former->tunnel.farEnd();
  RelayLegState* state = former == nullptr ? new RelayLegState : former->state;
  auto* leg = new RelayLeg{.index = spec.index,
                           .other = spec.other,
                           .rateKilobits = spec.rateKilobits,
                           .tunnel = tunnelOf(spec, farEnd, *state),
                           .state = state};
  legs_.set(leg, domain);
  return left;
}

FarEnd RelayLegs::erase(u32 index, EpochDomain& domain) {
  const RelayLeg* leg = legs_.find(index);
  if (leg == nullptr) return {};
  const FarEnd left = leg->tunnel.farEnd();
  RelayLegState* state = leg->state;
  legs_.erase(index, domain);
  domain.retire(state);
  return left;
}

}  // namespace sojourn
