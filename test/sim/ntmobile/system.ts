/**
 * Keys, addresses and prefixes of the simulated NTMobile system, and the translation between an
 * engine's datagrams and those of the simulated internet. No RFC: a simulation.
 */
import { type IpAddress, ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';
import type { Output } from '#engine/contract/output.ts';
import type { AccessPoint, Host, Internet, WireDatagram } from './internet.ts';

export const PORT = 7890;
export const SECOND_PORT = 7891;
export const OFFSET_MS = 1_800_000_000_000;
export const AUTHORITY_SEED = new Uint8Array(32).fill(1);
export const AUTHORITY = signingKeyOf(AUTHORITY_SEED);
/** Trusted by the coordinator but not by nodes: a coordinator that invents nodes. */
export const ROGUE_AUTHORITY = signingKeyOf(new Uint8Array(32).fill(4));
export const COORDINATOR_KEY = keyPairOf(new Uint8Array(32).fill(2));
export const RELAY_KEY = keyPairOf(new Uint8Array(32).fill(3));
export const SYSTEM_PREFIX = prefixOf('fd12:3456:789a::/48');
export const VIRTUAL_IPV4 = prefixOf('198.18.0.0/15');
export const GENERAL_PREFIXES = ['fd12:3456:789a:1::/64', '198.19.0.0/16'].map(prefixOf);
export const ZONE = 'nodes.example';
export const COORDINATOR_ENDPOINTS: readonly IpAddress[] = [
  ipv4('198.51.100.1'),
  ipv6('2001:db8:1::1'),
];
export const RELAY_ENDPOINTS: readonly IpAddress[] = [ipv4('198.51.100.2'), ipv6('2001:db8:2::1')];

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

export const accessPointsAt = (addresses: readonly IpAddress[]): readonly AccessPoint[] =>
  addresses.map((address) => ({ address, nats: [] }));

export function sendAll(internet: Internet, host: Host, out: readonly Output[]): void {
  for (const output of out) {
    if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
    const { local, localPort, remote, remotePort, relayIndex } = output.path;
    const datagram = {
      from: { address: local, port: localPort },
      to: { address: remote, port: remotePort },
    };
    internet.send(host, { ...datagram, relayIndex, octets: output.packet });
  }
}

export function pathOf({ from, to, relayIndex }: WireDatagram) {
  const ends = {
    local: to.address,
    localPort: to.port,
    remote: from.address,
    remotePort: from.port,
    relayIndex,
  };
  return { kind: 'datagram', ...ends } as const;
}
