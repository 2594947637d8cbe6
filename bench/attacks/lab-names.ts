/** Names, addresses and rates that the targets of `bench attacks` share. */
import { ADDRESSES } from '#lab/networks.ts';
import { ipBatch } from '#lab/shell.ts';

/** The attacker is a host at the core, where no router filters source addresses. */
export const ATTACKER = {
  namespace: 'cn',
  device: 'wan',
  ipv6: ADDRESSES.correspondentIpv6,
  ipv4: ADDRESSES.correspondentIpv4,
} as const;

export const HONEST_PER_SECOND = 20;

/** A host at the core in whose place stand honest clients of many networks. */
export const HONEST_HOST = 'server6';
const HONEST_NETWORKS = 64;

/** Gives {@link HONEST_HOST} an address in each of many /48 prefixes; resolves with them. */
export async function honestSources(): Promise<readonly string[]> {
  const sources = Array.from(
    { length: HONEST_NETWORKS },
    (_, at) => `2001:db8:${(0xe000 + at).toString(16)}::1`,
  );
  await ipBatch([`route add 2001:db8:e000::/36 via ${ADDRESSES.server6}`], { namespace: 'core' });
  await ipBatch(
    sources.map((address) => `address add ${address}/128 dev lo nodad`),
    { namespace: HONEST_HOST },
  );
  return sources;
}

/** More addresses of the attacker, all in the /64 of its link. */
export async function attackerSources(count: number): Promise<readonly string[]> {
  const network = ATTACKER.ipv6.replace(/::.*/, '');
  const sources = Array.from(
    { length: count },
    (_, at) => `${network}::a:${(at + 1).toString(16)}`,
  );
  await ipBatch(
    sources.map((address) => `address add ${address}/64 dev ${ATTACKER.device} nodad`),
    { namespace: ATTACKER.namespace },
  );
  return sources;
}
