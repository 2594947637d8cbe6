/**
 * A stand-in for the sealing of the data plane: the key, the addresses and the text of a packet. No
 * RFC: a simulation.
 */
import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { DesiredSealingKeys, SealingKey } from '#engine/contract/ntmobile.ts';

export interface Inner {
  readonly to: IpAddress;
  readonly source: IpAddress;
  readonly text: string;
}

export function isSealed(octets: Uint8Array): boolean {
  return wordOf(octets) >>> 28 === 1;
}

export function seal({ spi, key }: SealingKey, inner: Inner): Uint8Array {
  const octets = new TextEncoder().encode(`....${JSON.stringify({ key: hex(key), ...inner })}`);
  new DataView(octets.buffer).setUint32(0, (1 << 28) | spi);
  return octets;
}

/** Undefined without the key. */
export function open(
  octets: Uint8Array,
  associations: readonly DesiredSealingKeys[],
): { readonly tunnel: number; readonly inner: Inner } | undefined {
  const spi = wordOf(octets) & 0x0fff_ffff;
  const found = associations.find(({ receive }) => receive.some((key) => key.spi === spi));
  const key = found?.receive.find((one) => one.spi === spi);
  const { key: sealed, ...inner } = JSON.parse(new TextDecoder().decode(octets.subarray(4)));
  return found === undefined || key === undefined || hex(key.key) !== sealed
    ? undefined
    : { tunnel: found.tunnel, inner };
}

function wordOf(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset).getUint32(0);
}
