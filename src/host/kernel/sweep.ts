/**
 * Removes the leftovers of an earlier run of this role from the kernel, found by its protocol
 * number.
 */
import { NeighbourFlag } from '#wire/rtnetlink/layout.ts';
import {
  encodeAddressChange,
  encodeNeighbourChange,
  encodeRouteChange,
  encodeRuleChange,
} from '#wire/rtnetlink/message.ts';
import type { NetlinkRequests } from './netlink-requests.ts';

const ALREADY_GONE = ['ESRCH', 'ENOENT', 'ENODEV', 'EADDRNOTAVAIL'];

/** Removes rules first, then the routes that they lead to. Throws `SystemError`. */
export function sweepLeftovers(requests: NetlinkRequests, protocol: number): void {
  const left = (one: { readonly protocol?: number | undefined }): boolean =>
    one.protocol === protocol;
  const remove = (encode: (sequence: number) => Uint8Array): void =>
    requests.change('left by an earlier run', ALREADY_GONE, encode);
  for (const message of [...requests.dump('rule', 4), ...requests.dump('rule', 6)])
    if (message.kind === 'rule' && left(message.rule))
      remove((sequence) => encodeRuleChange('delete', message.rule, sequence));
  const routes = ([4, 6] as const).flatMap((family) =>
    requests.dump('route', family, { protocol }),
  );
  for (const message of routes)
    if (message.kind === 'route' && left(message.route))
      remove((sequence) => encodeRouteChange('delete', message.route, sequence));
  for (const message of requests.dump('address'))
    if (message.kind === 'address' && left(message.address))
      remove((sequence) => encodeAddressChange('delete', message.address, sequence));
  for (const message of requests.dump('neighbour', undefined, {
    neighbourFlags: NeighbourFlag.proxy,
  }))
    if (message.kind === 'neighbour' && left(message.neighbour))
      remove((sequence) => encodeNeighbourChange('delete', message.neighbour, sequence));
}
