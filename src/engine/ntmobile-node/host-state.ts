/**
 * What an NTMobile node wishes of its host: virtual addresses, and routes to the virtual prefixes.
 *
 * No RFC: docs/ntmobile.md §2 (virtual addresses)
 */
import { type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredPart } from '#engine/contract.ts';
import { TUN_DEVICE } from '#engine/contract.ts';

const MAIN_TABLE = 254;

/** The node's own addresses, and every virtual one by the TUN device. */
export function ownPart(addresses: readonly IpAddress[], prefixes: readonly Prefix[]): DesiredPart {
  return {
    addresses: addresses.map((address) => ({
      ...{ device: TUN_DEVICE, address, prefixLength: isIpv6(address) ? 128 : 32, noDad: true },
    })),
    routes: prefixes.map((destination) => ({
      ...{ destination, table: MAIN_TABLE, device: TUN_DEVICE },
      ...sourceOf(destination, addresses),
    })),
  };
}

function sourceOf({ address }: Prefix, addresses: readonly IpAddress[]): { readonly source?: IpAddress } {
  const source = addresses.find((each) => isIpv6(each) === isIpv6(address));
  return source === undefined ? {} : { source };
}
