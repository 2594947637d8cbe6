/** Sockets with a firewall mark (SO_MARK), which Node's own cannot have. */
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { nativeAddon } from './plane/addon.ts';

interface MarkedSocketOptions {
  readonly type: 'udp' | 'tcp';
  /** The other end, of which the family counts; with or without a `%zone`. */
  readonly remote: string;
  /** Bound to this address; undefined lets routing choose. */
  readonly source: IpAddress | undefined;
  readonly mark: number;
}

/** A descriptor, which the caller closes. Throws the host's error. */
export function openMarkedSocket({ type, remote, source, mark }: MarkedSocketOptions): number {
  const family = remote.includes(':') ? 6 : 4;
  const bound = source !== undefined && isIpv6(source) === (family === 6) ? { source } : {};
  return nativeAddon().openMarkedSocket({ type, family, mark, ...bound });
}
