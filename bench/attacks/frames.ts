/**
 * Frames of a flood, put on the link to their first router or host as the router at the core would:
 * the attacker's own routing takes no time of the two processors that it shares with the daemon.
 */
import { fromHex } from '#base/bytes.ts';
import { ipv4FromBytes, ipv6FromBytes } from '#base/ip.ts';
import { run } from '#lab/shell.ts';
import type { Pool } from './pools.ts';

const CORE = 'core';
const ETHERTYPE_IPV4 = '0800';
const ETHERTYPE_IPV6 = '86dd';

interface NextHop {
  readonly device: string;
  readonly linkAddress: string;
}

interface Route {
  readonly dev: string;
  readonly gateway?: string;
}

interface Neighbour {
  readonly lladdr?: string;
}

async function nextHop(destination: string): Promise<NextHop> {
  const ip = async <T>(...argv: readonly string[]): Promise<readonly T[]> =>
    JSON.parse(await run(['ip', '-json', ...argv], { namespace: CORE }));
  const [route] = await ip<Route>('route', 'get', destination);
  if (route === undefined) throw new Error(`no route to ${destination}`);
  const neighbour = route.gateway ?? destination;
  await run(['ping', '-c', '1', '-W', '2', neighbour], { namespace: CORE });
  const [found] = await ip<Neighbour>('neighbour', 'show', neighbour, 'dev', route.dev);
  if (found?.lladdr === undefined) throw new Error(`no link address of ${neighbour}`);
  return { device: route.dev, linkAddress: found.lladdr };
}

/** The pool as frames for a device of the namespace. All packets have the same destination. */
export async function framesOf(
  pool: Pool,
): Promise<{ readonly namespace: string; readonly device: string; readonly frames: Pool }> {
  const [first] = pool;
  if (first === undefined) throw new Error('an empty pool');
  const six = (first[0] ?? 0) >> 4 === 6;
  const destination = six ? ipv6FromBytes(first, 24) : ipv4FromBytes(first, 16);
  const { device, linkAddress } = await nextHop(destination);
  const ethertype = six ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
  const header = fromHex(`${linkAddress.replaceAll(':', '')}020000000001${ethertype}`);
  const frames = pool.map((packet) => new Uint8Array(Buffer.concat([header, packet])));
  return { namespace: CORE, device, frames };
}
