import { nativeAddon } from '#host/plane/addon.ts';
import type { NetlinkSocket } from './netlink-requests.ts';

/** Opens NETLINK_ROUTE sockets with extended acknowledgements. Throws with an errno as `code`. */
export function openNetlink(): NetlinkSocket {
  return new (nativeAddon().Netlink)();
}
