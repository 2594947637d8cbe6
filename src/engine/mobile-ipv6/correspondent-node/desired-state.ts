/**
 * The host state that a correspondent node desires.
 *
 * RFC 6275 §9.3.2  packets to a home address with a binding get a type 2 routing header;  §9.5.5
 *                  control packets to a home address do not, so that the policy rule leaves the
 *                  daemon's own packets alone
 *
 * The host's own packets to a bound home address are routed into the TUN device by a table of host
 * routes. Packets that the host forwards are not its own, and take no optimized path.
 */
import type { Ipv6Address } from '#base/ip.ts';
import { type DesiredPart, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Binding } from './binding.ts';
import type { CorrespondentNodeConfiguration } from './configuration.ts';

export function setDesiredStatic(
  { out }: Step,
  { mark, table, rulePriority: priority }: CorrespondentNodeConfiguration,
): void {
  const unmarked = { value: 0, mask: mark };
  const own = { family: 6, priority, place: 'first', table, inputDevice: 'lo' } as const;
  const part: DesiredPart = { rules: [{ ...own, mark: unmarked }] };
  out.push({ kind: 'set-desired', key: 'correspondent-node', part });
}

export function setDesiredForBinding(
  { out }: Step,
  binding: Binding,
  { packetMtu: mtu, table }: CorrespondentNodeConfiguration,
): void {
  const { homeAddress, careOfAddress: remote, correspondentAddress: local, tunnelId: id } = binding;
  const destination = { address: homeAddress, length: 128 };
  const path = { carrier: 'optimized', local, remote, localPort: 0, remotePort: 0 } as const;
  const part: DesiredPart = {
    tunnels: [{ id, path, protection: 'none', mtu }],
    planeRoutes: [{ prefix: destination, tunnel: id }],
    routes: [{ destination, table, device: TUN_DEVICE, source: local, mtu }],
  };
  out.push({ kind: 'set-desired', key: keyOf(homeAddress), part });
}

export function withdrawDesired({ out }: Step, homeAddress: Ipv6Address): void {
  out.push({ kind: 'set-desired', key: keyOf(homeAddress), part: undefined });
}

function keyOf(homeAddress: Ipv6Address): string {
  return `binding/${homeAddress}`;
}
