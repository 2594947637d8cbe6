/** Whether a node of the lab has registered from the network that it is plugged into. */
import type { JsonObject } from '#base/json.ts';
import type { AttachmentPoint } from './network.ts';
import { ATTACHMENT_POINTS } from './networks.ts';

/**
 * `home`: the node's view of its home, as its status shows it. The care-of address (or none, at
 * home) belongs to `network`.
 */
export function isSettled(home: JsonObject, network: AttachmentPoint): boolean {
  const { phase, careOfAddress } = home;
  if (network === 'home') return phase === 'at-home';
  if (phase !== 'registered' || typeof careOfAddress !== 'string') return false;
  const { ipv4, ipv6 } = ATTACHMENT_POINTS[network];
  const of6 = ipv6 !== undefined && careOfAddress.startsWith(`${ipv6.replace(/:0$/, '')}:`);
  const [from, to] = [ipv4?.first, ipv4?.last].map(ipv4Number);
  const number = careOfAddress.includes(':') ? undefined : ipv4Number(careOfAddress);
  const of4 =
    number !== undefined &&
    from !== undefined &&
    to !== undefined &&
    number >= from &&
    number <= to;
  return of6 || of4;
}

function ipv4Number(address: string | undefined): number | undefined {
  return address?.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}
