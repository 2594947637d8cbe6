import { describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv6, type Prefix } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { SealingKey } from '#engine/contract/ntmobile.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { Reconciler } from '#runtime/reconciler.ts';
import { world } from './driver-scene.ts';

const NOW = monotonic(5_000);
const KEY = new Uint8Array(16).fill(0xa7);
const OTHER_KEY = new Uint8Array(16).fill(0x5c);
const PREFIX: Prefix = { address: ipv6('2001:db8:1::5'), length: 128 };

function key(spi: number, octets: Uint8Array): SealingKey {
  return { spi, cipher: 'aes-128-gcm', key: octets };
}

function sealedTo(
  remote: string,
  send: SealingKey,
  receive: readonly SealingKey[],
  relayIndex?: number,
): DesiredPart {
  return {
    sealingKeys: [{ tunnel: 3, send, receive }],
    tunnels: [
      {
        id: 3,
        path: {
          ...{ carrier: 'udp', localPort: 7890, remotePort: 7890 },
          ...{ local: ipv6('2001:db8:9::1'), remote: ipv6(remote) },
          ...(relayIndex !== undefined && { relayIndex }),
        },
        protection: 'sealed',
        mtu: 1400,
      },
    ],
    planeRoutes: [{ prefix: PREFIX, tunnel: 3 }],
  };
}

function reconciled(plane = new FakePlane()) {
  const refused: string[] = [];
  const reconciler = new Reconciler(new FakeKernel(plane.log), plane, (what, error) =>
    refused.push(`${what}: ${error.message}`),
  );
  const settle = (): string[] => {
    plane.log.length = 0;
    reconciler.applyAdditions(NOW);
    reconciler.applyRemovals(NOW);
    return [...plane.log];
  };
  return { reconciler, plane, refused, settle };
}

describe('sealing keys', () => {
  it('precede the tunnel and its routes, and are removed after them', () => {
    const { reconciler, settle } = reconciled();
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [key(2, OTHER_KEY)]));
    expect(settle()).toEqual([
      'keys 3: send 1, receive 2',
      'tunnel 3 → 2001:db8:2::2',
      'plane 2001:db8:1::5/128 → 3',
    ]);
    reconciler.setDesired('peer', undefined);
    expect(settle()).toEqual(['no plane 2001:db8:1::5/128', 'no tunnel 3', 'no keys 3']);
  });

  it('remain when only the path changes, or when equal keys are desired again', () => {
    const { reconciler, settle } = reconciled();
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [key(2, OTHER_KEY)]));
    settle();
    const again = sealedTo('2001:db8:3::3', key(1, Uint8Array.from(KEY)), [
      key(2, Uint8Array.from(OTHER_KEY)),
    ]);
    reconciler.setDesired('peer', again);
    expect(settle()).toEqual(['tunnel 3 → 2001:db8:3::3']);
    expect(settle()).toEqual([]);
  });

  it('change without the tunnel at a rekey', () => {
    const { reconciler, settle, plane } = reconciled();
    const first = key(2, OTHER_KEY);
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [first]));
    settle();
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [first, key(4, KEY)]));
    expect(settle()).toEqual(['keys 3: send 1, receive 2 4']);
    reconciler.setDesired(
      'peer',
      sealedTo('2001:db8:2::2', key(1, OTHER_KEY), [first, key(4, KEY)]),
    );
    expect(settle()).toEqual(['keys 3: send 1, receive 2 4']);
    expect(plane.sealingKeys.get(3)?.send?.key).toEqual(OTHER_KEY);
  });

  it('do not change with the relay index, which is part of the path', () => {
    const { reconciler, settle } = reconciled();
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), []));
    settle();
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [], 0));
    expect(settle()).toEqual([]);
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [], 9));
    expect(settle()).toEqual(['tunnel 3 → 2001:db8:2::2']);
  });

  it('appear in no message when the plane refuses them', () => {
    class Refusing extends FakePlane {
      override sealingKeysSet(): void {
        throw Object.assign(new Error('no memory'), { code: 'ENOMEM' });
      }
    }
    const { reconciler, settle, refused } = reconciled(new Refusing());
    reconciler.setDesired('peer', sealedTo('2001:db8:2::2', key(1, KEY), [key(2, OTHER_KEY)]));
    settle();
    expect(refused).toEqual(['sealing-keys 3: no memory']);
    const shown = JSON.stringify([reconciler.status(), refused]);
    for (const octets of [KEY, OTHER_KEY]) {
      expect(shown).not.toContain(hex(octets));
      expect(shown).not.toContain(octets.slice(0, 3).join(','));
    }
  });
});

describe('a roaming notice', () => {
  it('reaches the engine in its order among the punts', () => {
    const { driver, engine, plane, settle } = world();
    driver.start();
    engine.inputs.length = 0;
    const notice = {
      ...{ tunnel: 3, localPort: 7890, remotePort: 40_000, relayIndex: 0 },
      ...{ local: ipv6('2001:db8:9::1'), remote: ipv6('2001:db8:4::4') },
    };
    plane.punt(Uint8Array.of(0x90));
    plane.roam(notice);
    plane.punt(Uint8Array.of(0x91));
    settle();
    expect(engine.inputs.map(({ kind }) => kind)).toEqual(['datagram', 'roaming', 'datagram']);
    expect(engine.inputs[1]).toEqual({ kind: 'roaming', ...notice });
  });
});
