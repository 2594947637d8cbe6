/**
 * NEMO-MR, unusual and invalid acknowledgements: RFC 6275 §6.1.1, §9.2, §9.3.3,
 * §11.2.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { mobilityAuthenticator } from '#crypto/mobility-auth.ts';
import {
  acknowledgement,
  HOME_ADDRESS,
  HOME_AGENT,
  REGISTRATION_KEY,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { fillMobilityChecksum, mobilityCodec } from '#wire/mobility/header.ts';
import { INGRESS, NETWORK, RouterScene } from './nemo-mr-scene.ts';

const CARE_OF = ipv6('2001:db8:f1::2');
const UNKNOWN_TYPE = 99;
const AUTHENTICATOR_SIZE = 16;

/**
 * A router that waits for an acknowledgement, and that acknowledgement with its Mobility Header
 * changed.
 */
function waiting(edit: (header: Uint8Array) => void) {
  const scene = new RouterScene();
  scene.network({ addresses: [`${CARE_OF}/64`] }, INGRESS);
  const { path, packet } = acknowledgement(scene.update(), {}, scene.now);
  const parsed = ipv6Codec.parse(packet);
  assert(!isMalformed(parsed), 'IPv6');
  const payload = parsed.payload.slice();
  edit(payload);
  return {
    scene,
    wrong: { kind: 'datagram', path, packet: encode(ipv6Codec, { ...parsed, payload }) } as const,
  };
}

describe('NEMO-MR, acknowledgements with reserved bits', () => {
  it('NEMO-MR-2-2-1-1-039 accepts an acknowledgement with any reserved bits', () => {
    const { scene, wrong } = waiting((header) => {
      // Reserved octet of the Mobility Header, reserved bits after the flags.
      header[3] = 0xff;
      header[7] = (header[7] ?? 0) | 0x1f;
      const covered = header.length - AUTHENTICATOR_SIZE;
      header.fill(0, 4, 6);
      const mobilityData = header.subarray(0, covered);
      const addresses = { careOfAddress: CARE_OF, homeAddress: HOME_ADDRESS };
      header.set(
        mobilityAuthenticator({ ...REGISTRATION_KEY, ...addresses, mobilityData }),
        covered,
      );
      fillMobilityChecksum(header, HOME_AGENT, HOME_ADDRESS);
    });
    scene.give(wrong);
    expect(scene.phase()).toMatchObject({
      homes: [{ phase: 'registered', careOfAddress: CARE_OF }],
    });
    expect(scene.planeRoutes().map(({ prefix }) => prefix)).toContainEqual(NETWORK);
  });
});

describe('NEMO-MR, invalid acknowledgements', () => {
  it('NEMO-MR-6-2-1-1-003 answers an unknown message type by Binding Error 2', () => {
    const { scene, wrong } = waiting((header) => {
      header[2] = UNKNOWN_TYPE;
      fillMobilityChecksum(header, HOME_AGENT, HOME_ADDRESS);
    });
    scene.give(wrong);
    const [only, ...more] = scene.sent();
    assert(only !== undefined && more.length === 0, 'one packet');
    const answer = ipv6Codec.parse(only.packet);
    assert(!isMalformed(answer), 'IPv6');
    expect(only.path).toEqual({ kind: 'ipv6' });
    expect(answer).toMatchObject({ source: CARE_OF, destination: HOME_AGENT });
    expect(mobilityCodec.parse(answer.payload)).toMatchObject({
      message: { type: 'binding-error', status: 2 },
    });
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'registering' }] });
    expect(scene.waitForUpdate()).toBe(1500);
  });

  it('NEMO-MR-6-2-1-1-004 drops a message with a wrong checksum silently', () => {
    const { scene, wrong } = waiting((header) => {
      header[5] = (header[5] ?? 0) ^ 1;
    });
    expect(scene.give(wrong)).toEqual([]);
    expect(scene.node.counters['checksum-invalid']).toBe(1);
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'registering' }] });
    expect(scene.waitForUpdate()).toBe(1500);
  });
});
