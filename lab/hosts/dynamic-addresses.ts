import { parseIpAddress, parsePrefix, prefixContains } from '#base/ip.ts';
import type { Network } from '#lab/network.ts';
import { run } from '#lab/shell.ts';

/** An address that a node received from the network it is plugged into. */
export interface DynamicAddress {
  readonly address: string;
  readonly family: 4 | 6;
  readonly interface: string;
}

/**
 * The usable dynamic addresses of a node: global, not permanent, and past duplicate address
 * detection or optimistic (RFC 4429). Addresses set by a daemon or by hand have no lifetime and are
 * excluded.
 */
export async function dynamicAddresses(node: string): Promise<readonly DynamicAddress[]> {
  const text = await run(['ip', '-oneline', 'address', 'show', 'scope', 'global'], {
    namespace: node,
  });
  const found: DynamicAddress[] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+: (\S+) +inet(6?) ([0-9a-f.:]+)\/.* valid_lft \d+sec/.exec(line);
    if (match === null || !line.includes('dynamic')) continue;
    if (/ (dadfailed|tentative|deprecated)/.test(line) && !line.includes(' optimistic')) continue;
    const [, name = '', six, address = ''] = match;
    found.push({ address, family: six === '6' ? 6 : 4, interface: name });
  }
  return found;
}

/**
 * The first such address of a family, of that interface if it is named, and of the prefixes of
 * `network` if it is given: not left from another network.
 */
export async function dynamicAddress(
  node: string,
  family: 4 | 6,
  name: string | undefined,
  network: Network | undefined,
): Promise<DynamicAddress | undefined> {
  return (await dynamicAddresses(node)).find(
    (found) =>
      found.family === family &&
      (name ?? found.interface) === found.interface &&
      (network === undefined || isAddressOf(network, found.address)),
  );
}

/** Whether the address is of the network's own prefixes, not left from another network. */
function isAddressOf({ ipv6, ipv4 }: Network, address: string): boolean {
  const prefixes = [ipv6 === undefined ? '' : `${ipv6}::/64`, ipv4?.network ?? ''];
  const parsed = parseIpAddress(address);
  return prefixes.some((text) => {
    const prefix = parsePrefix(text.replace(':0::', '::'));
    return prefix !== undefined && parsed !== undefined && prefixContains(prefix, parsed);
  });
}
