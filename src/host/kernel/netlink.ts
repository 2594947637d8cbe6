import { nativeAddon } from '#host/plane/addon.ts';
import type { NetlinkSocket } from './netlink-requests.ts';

/**
 * A NETLINK_ROUTE socket of the addon, with extended acknowledgements. Throws with the errno's name
 * as `code`.
 */
export function openNetlink(): NetlinkSocket {
  return new (nativeAddon().Netlink)();
}
