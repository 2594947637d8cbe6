/** Probes of the path MTU, as native/src/path-mtu/path-probe.h defines them. */
import { equalBytes, fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { upperLayerChecksum } from '#wire/ip/checksum.ts';
import { packet6 } from './plane-traffic.ts';

const [FROM, TO] = [ipv6('fe80::5350:4d54:5500:1'), ipv6('fe80::5350:4d54:5500:2')];

/** Octets of the inner packet that answers a probe. */
export const PROBE_ANSWER = 40 + 8 + 8;

/**
 * Whether an inner packet is exactly a probe: an echo request between addresses that no host has.
 * Its sequence number says how large the outer packet is; a nonce and zeros follow.
 */
export function isPathProbe(inner: Uint8Array, overhead: number): boolean {
  if (inner.length < PROBE_ANSWER) return false;
  const echo = Buffer.alloc(inner.length - 40);
  echo.set([128, 0, 0, 0, 0x4d, 0x54]);
  echo.writeUInt16BE(inner.length + overhead, 6);
  echo.set(inner.subarray(48, 56), 8);
  echo.writeUInt16BE(upperLayerChecksum(FROM, TO, 58, echo), 2);
  const probe = fromHex(packet6(FROM, TO, 58, echo));
  probe[7] = 255;
  return equalBytes(inner, probe);
}
