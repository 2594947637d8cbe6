/**
 * What time does to bindings.
 *
 * RFC 6275 §10.3.1 deletion after the lifetime;  §9.5.5 Binding Refresh Request;  §9.3.2 type 2
 * routing header
 */
import { isIpv6 } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import { armNext, removeBinding } from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import { repeatAnnouncement } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import { mobilityPacket } from './binding-acknowledgement.ts';

export function runBindingTimers(state: HomeAgentState, now: Monotonic, out: Output[]): void {
  for (;;) {
    const binding = state.bindingTimers.takeDue(now);
    if (binding === undefined) return;
    if (binding.expiresAt <= now) {
      removeBinding(state, now, binding, 'binding-expired', out);
      continue;
    }
    if (binding.refreshRequestAt <= now) requestRefresh(state, binding, out);
    const link = state.homeLink;
    if (link !== undefined && binding.announceAt <= now)
      repeatAnnouncement(link, now, binding, out);
    armNext(state, binding);
  }
}

/**
 * By a type 2 routing header to an IPv6 care-of address; to an IPv4 one through the tunnel, as any
 * packet for the home address.
 */
function requestRefresh(state: HomeAgentState, binding: Binding, out: Output[]): void {
  const { homeAddress, homeAgentAddress, careOfAddress, tunnel } = binding;
  binding.refreshRequestAt = NEVER;
  const request = encodeMobility(
    { type: 'binding-refresh-request', options: [] },
    homeAgentAddress,
    homeAddress,
  );
  if (isIpv6(careOfAddress)) {
    const packet = mobilityPacket(homeAgentAddress, careOfAddress, homeAddress, request);
    out.push({ kind: 'send', path: { kind: 'ipv6' }, packet });
  } else {
    const packet = mobilityPacket(homeAgentAddress, homeAddress, undefined, request);
    out.push({ kind: 'send', path: { kind: 'tunnel', tunnel: tunnel.id }, packet });
  }
  state.count('refresh-requested');
}
