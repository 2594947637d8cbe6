/** When a network is usable and when packets arrive, from the logs of two probes. */
import type { NetworkName } from '#lab/network.ts';
import { coreLink, isNetworkName, NETWORKS } from '#lab/networks.ts';
import type { Lab } from '#lab/topology.ts';
import type { Probe } from './probe.ts';

/**
 * When the network's address and its default route both existed; undefined while one is missing.
 */
export function usableSince(probe: Probe, network: NetworkName): number | undefined {
  const family = NETWORKS[network].ipv6 === undefined ? 4 : 6;
  const first = (what: 'address' | 'route'): number | undefined =>
    probe.usable().find((one) => one.what === what && one.family === family)?.atUs;
  const address = first('address');
  const route = first('route');
  return address === undefined || route === undefined ? undefined : Math.max(address, route);
}

/** Milliseconds from `sinceUs` to the arrival of the first packet sent after `sentAfterUs`. */
export function stallMs(probe: Probe, sinceUs: number, sentAfterUs: number): number | undefined {
  const first = probe
    .received()
    .find(({ atUs, sentUs }) => atUs >= sinceUs && sentUs >= sentAfterUs);
  return first === undefined ? undefined : (first.atUs - sinceUs) / 1000;
}

/**
 * Lets the routers resolve each other's link-layer addresses, which would otherwise add a round
 * trip to the first visit to a network.
 */
export async function resolveNeighbours(lab: Lab): Promise<void> {
  const networks = lab.networks.filter(({ name }) => isNetworkName(name));
  for (const { name, index, ipv4, nat } of networks) {
    const { core4, core6 } = coreLink(index);
    const address = ipv4 === undefined ? core6 : core4;
    await lab.exec(nat.length > 1 ? `${name}-isp` : name, [
      'ping',
      '-n',
      '-c',
      '1',
      '-W',
      '2',
      address,
    ]);
  }
}
