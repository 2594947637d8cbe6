/**
 * The kernel state of a host as comparable lines, to check what daemons add and that nothing of it
 * remains.
 */
import { run } from '#lab/shell.ts';

/** A script that prints the state; `hostStateOf` reads its output. */
export const HOST_STATE_SCRIPT = `
for family in -4 -6; do
  ip $family rule show | sed "s/^/rule $family /"
  ip $family route show table all | sed "s/^/route $family /"
  ip $family neighbour show proxy | sed "s/^/proxy $family /"
done
ip -oneline address show | sed 's/^[0-9]*: /address /'
ip -oneline link show | sed 's/^[0-9]*: /link /'
nft -s list ruleset | sed 's/^/nft /'
for file in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/* /proc/sys/net/ipv6/conf/*/* \\
  /proc/sys/net/ipv4/neigh/*/proxy_delay /proc/sys/net/ipv6/neigh/*/proxy_delay \\
  /proc/sys/net/ipv6/ip_nonlocal_bind; do
  printf 'sysctl %s ' "$file"; cat "$file" 2>&1 || true
done`;

/**
 * Left out: lifetimes, which count down; link states, which follow the lab's end of a cable;
 * secrets, which differ after each boot.
 */
const PASSING: readonly RegExp[] = [
  / expires \S+/g,
  / (valid|preferred)_lft \S+/g,
  /\\/g,
  /linkinfo .*/g,
  / hoplimit \d+/g,
  / (tentative|optimistic|secondary)\b/g,
];
const NOT_OURS =
  /stable_secret|\/mtu |brd 00:00|route -\d (local|broadcast|anycast|multicast) .* dev lo /;

export function hostStateOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => PASSING.reduce((rest, pattern) => rest.replaceAll(pattern, ''), line).trimEnd())
    .filter((line) => line !== '' && !NOT_OURS.test(line))
    .toSorted();
}

/** Rules, routes, addresses, links, proxy entries, nftables and network settings of a namespace. */
export async function hostState(namespace: string): Promise<readonly string[]> {
  return hostStateOf(await run(['sh', '-c', HOST_STATE_SCRIPT], { namespace }));
}

/** Rules, and the routes, proxy entries and TUN addresses of one daemon of the suite. */
export async function daemonState(
  namespace: string,
  protocol: number,
  device: string,
): Promise<readonly string[]> {
  const script = `
for family in -4 -6; do
  ip $family rule show | sed "s/^/rule $family /"
  ip $family route show table all proto ${protocol} | sed "s/^/route $family /"
  ip $family neighbour show proxy | sed "s/^/proxy $family /"
done
ip -oneline address show dev ${device} scope global | sed 's/^[0-9]*: /address /'`;
  return hostStateOf(await run(['sh', '-c', script], { namespace }));
}

/** Lines that are in only one of both states, with `+` or `-`. */
export function difference(before: readonly string[], after: readonly string[]): readonly string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}
