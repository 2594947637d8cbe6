/** Network interfaces from the properties that matter to a test. */
import { assert } from '#base/assert.ts';
import { type IpAddress, isIpv4, parseIpAddress } from '#base/ip.ts';
import { monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';

export interface LinkSketch {
  readonly name?: string;
  readonly index?: number;
  readonly epoch?: number;
  readonly running?: boolean;
  readonly mtu?: number;
  /** `address/length`, each with a router of its family unless `routers` is given. */
  readonly addresses?: readonly string[];
  readonly routers?: readonly {
    readonly family: 4 | 6;
    readonly gateway: string;
    readonly metric?: number;
    readonly epoch?: number;
    readonly validUntil?: number;
  }[];
  readonly addressEpoch?: number;
  readonly tentative?: boolean;
  readonly duplicate?: boolean;
  readonly deprecated?: boolean;
  readonly validUntil?: number;
}

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  assert(parsed !== undefined, text);
  return parsed;
}

/** A `NetworkInterface` from the properties that matter to a test. */
export function link(sketch: LinkSketch): NetworkInterface {
  const { epoch = 1, addresses = [] } = sketch;
  const parsed = addresses.map((text) => ({
    address: address(text.split('/')[0] ?? ''),
    prefixLength: Number(text.split('/')[1]),
  }));
  const families = new Set(parsed.map((one) => (isIpv4(one.address) ? 4 : 6)));
  const routers: NonNullable<LinkSketch['routers']> =
    sketch.routers ??
    [...families].map(
      (family) => ({ family, gateway: family === 4 ? '203.0.113.254' : 'fe80::1' }) as const,
    );
  return {
    index: sketch.index ?? 2,
    name: sketch.name ?? 'eth0',
    running: sketch.running ?? true,
    epoch,
    mtu: sketch.mtu ?? 1500,
    linkAddress: Uint8Array.of(2, 0, 0, 0, 0, sketch.index ?? 2),
    addresses: parsed.map((one) => ({
      ...one,
      tentative: sketch.tentative ?? false,
      duplicate: sketch.duplicate ?? false,
      deprecated: sketch.deprecated ?? false,
      validUntil: monotonic(sketch.validUntil ?? NEVER),
      epoch: sketch.addressEpoch ?? epoch,
    })),
    routers: routers.map((router) => ({
      family: router.family,
      gateway: address(router.gateway),
      metric: router.metric ?? 1024,
      validUntil: monotonic(router.validUntil ?? NEVER),
      epoch: router.epoch ?? epoch,
    })),
  };
}
