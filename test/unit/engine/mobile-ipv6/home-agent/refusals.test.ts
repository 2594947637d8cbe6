import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import {
  ALICE,
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  OVER_IPV6,
  optionOf,
  prefix,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  type Update,
  udpPath,
} from './home-agent-scene.ts';

const BOB_ADDRESS = ipv6('2001:db8:1::200');
const BOB = {
  ...ALICE,
  identifier: 'bob@example.org',
  registrationKeys: [registrationKey(2000)],
  homeAddresses: [BOB_ADDRESS],
};

/** Sends the Binding Update and checks that only counters change. */
function refused(scene: Scene, update: Update, path = OVER_IPV6) {
  const before = scene.snapshot();
  const answer = scene.update(path, update);
  expect(scene.snapshot()).toEqual(before);
  expect(answer.message.lifetimeUnits).toBe(0);
  return answer;
}

describe('statuses of refused registrations', () => {
  it.each([true, false])(
    'HA_2_2_1 home address outside the home prefixes: 132 (A=%s)',
    (acknowledge) => {
      const scene = new Scene();
      const answer = refused(scene, {
        sequence: 1,
        homeAddress: ipv6('2001:db8:9::1'),
        flags: { acknowledge },
      });
      expect(answer.message.status).toBe(132);
    },
  );

  it('HA_2_2_3 a home address of another mobile node gets 129', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    expect(refused(scene, { sequence: 1, homeAddress: BOB_ADDRESS }).message.status).toBe(129);
  });

  it('HA_2_2_6 a home address without owner gets 133', () => {
    expect(
      refused(new Scene(), { sequence: 1, homeAddress: ipv6('2001:db8:1::999') }).message.status,
    ).toBe(133);
  });

  it('every home address gets 131 without configured home prefix', () => {
    expect(refused(new Scene({ homePrefixes: [] }), { sequence: 1 }).message.status).toBe(131);
  });

  it('a key of another mobile node neither reveals nor deletes a binding', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    scene.update(OVER_IPV6, { sequence: 500 });
    const bob = { identifier: 'bob@example.org', registrationKey: registrationKey(2000) };
    expect(refused(scene, { ...bob, sequence: 1, lifetimeUnits: 0 }).message).toMatchObject({
      status: 133,
      sequence: 1,
    });
    expect(refused(scene, { ...bob, sequence: 1 }).message).toMatchObject({
      status: 129,
      sequence: 1,
    });
  });

  it('a new binding above the maximum gets 130, a refresh is accepted', () => {
    const scene = new Scene({ maximumBindings: 1, mobileNodes: [ALICE, BOB] });
    scene.update(OVER_IPV6, { sequence: 1 });
    const bob = {
      identifier: 'bob@example.org',
      registrationKey: registrationKey(2000),
      homeAddress: BOB_ADDRESS,
    };
    expect(refused(scene, { ...bob, sequence: 1 }).message.status).toBe(130);
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
  });

  it('the R flag gets 140 without prefixes, 139 when it changes, and routes with prefixes', () => {
    const flags = { mobileRouter: true };
    expect(refused(new Scene(), { sequence: 1, flags }).message.status).toBe(140);
    const network = prefix('2001:db8:5::/56');
    const scene = new Scene({ mobileNodes: [{ ...ALICE, mobileNetworkPrefixes: [network] }] });
    const answer = scene.update(OVER_IPV6, { sequence: 1, flags });
    expect([answer.message.status, answer.message.flags.mobileRouter]).toEqual([0, true]);
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toContainEqual({
      prefix: network,
      tunnel: 1,
    });
    expect(refused(scene, { sequence: 2 }).message.status).toBe(139);
    const foreign = {
      type: 'mobile-network-prefix',
      prefixLength: 56,
      prefix: ipv6('2001:db8:6::'),
    } as const;
    expect(refused(scene, { sequence: 2, flags, options: [foreign] }).message.status).toBe(142);
    const endless = { ...foreign, prefixLength: 129 };
    expect(refused(scene, { sequence: 2, flags, options: [endless] }).message.status).toBe(141);
  });

  it('RFC 3963 §6.2 the R flag without H flag gets 140, with or without a binding', () => {
    const flags = { mobileRouter: true, homeRegistration: false };
    const scene = new Scene();
    expect(refused(scene, { sequence: 1, flags }).message.status).toBe(140);
    scene.update(OVER_IPV6, { sequence: 1 });
    expect(refused(scene, { sequence: 2, flags }).message.status).toBe(140);
  });

  it('a clear H flag for a home registration gets 139', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    expect(refused(scene, { sequence: 2, flags: { homeRegistration: false } }).message.status).toBe(
      139,
    );
  });

  it('a care-of address that leads back home or is the home agent’s gets 174', () => {
    const scene = new Scene();
    expect(refused(scene, { sequence: 1, careOf: HOME_AGENT }).message.status).toBe(174);
    // The second home address is bound to the first, which then registers the second as care-of.
    const second = ipv6('2001:db8:1::101');
    scene.update(OVER_IPV6, { sequence: 1, homeAddress: second, careOf: HOME_ADDRESS });
    expect(refused(scene, { sequence: 1, careOf: second }).message.status).toBe(174);
  });

  it('a sequence number at or below the last gets 135 with the last one', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 15 });
    // HA_2_6_1, HA_2_6_2, HA_2_6_3, HA_3_3_1
    for (const sequence of [14, 15, 32783]) {
      expect(refused(scene, { sequence }).message).toMatchObject({ status: 135, sequence: 15 });
      expect(refused(scene, { sequence, lifetimeUnits: 0 }).message).toMatchObject({
        status: 135,
        sequence: 15,
      });
      expect(refused(scene, { sequence, flags: { acknowledge: false } }).message.status).toBe(135);
    }
    // HA_2_5_2, HA_2_7_2
    expect(scene.update(OVER_IPV6, { sequence: 32782 }).message.status).toBe(0);
    expect(scene.update(OVER_IPV6, { sequence: 32783 }).message.status).toBe(0);
    expect(scene.update(OVER_IPV6, { sequence: 14 }).message.status).toBe(0);
  });
});

describe('authentication (RFC 4285)', () => {
  it('§5.1.1 answers a wrong authenticator with 146, signed with the right key', () => {
    const scene = new Scene();
    const forged = { ...registrationKey(1000), key: new Uint8Array(32).fill(9) };
    const answer = refused(scene, { sequence: 1, registrationKey: forged });
    expect(answer.message.status).toBe(146);
    expect(optionOf(answer, 'authentication')?.spi).toBe(1000);
    expect(scene.counter('authentication-failed')).toBe(1);
  });

  it.each<[string, Partial<Update>, string]>([
    ['no option', { registrationKey: undefined }, 'authentication-missing'],
    ['unknown SPI', { registrationKey: registrationKey(1001) }, 'no-security-association'],
    ['unknown identifier', { identifier: 'mallory@example.org' }, 'no-security-association'],
  ])('§5 does not answer a Binding Update with %s', (_, update, reason) => {
    const scene = new Scene();
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...update }));
    expect([scene.sent, scene.snapshot(), scene.counter(reason)]).toEqual([[], before, 1]);
  });

  it('finds the key by home address, else by an SPI of a single node, without identifier', () => {
    const scene = new Scene();
    expect(scene.update(OVER_IPV6, { sequence: 1, identifier: undefined }).message.status).toBe(0);
    const elsewhere = { homeAddress: ipv6('2001:db8:9::1'), identifier: undefined };
    expect(scene.update(OVER_IPV6, { sequence: 1, ...elsewhere }).message.status).toBe(132);
  });

  it('may be missing only when configured so, and never for a node with a key', () => {
    const open = { identifier: undefined, registrationKey: undefined, timestamp: undefined };
    const keyless = { ...ALICE, registrationKeys: [] };
    const scene = new Scene({ insecure: true, mobileNodes: [keyless] });
    expect(scene.update(OVER_IPV6, { sequence: 1, ...open }).message.status).toBe(0);
    expect(refused(scene, { sequence: 1, ...open, homeAddress: BOB_ADDRESS }).message.status).toBe(
      133,
    );
    const keyed = new Scene({ insecure: true });
    keyed.deliver(OVER_IPV6, keyed.build(OVER_IPV6, { sequence: 1, ...open }));
    expect([keyed.sent, keyed.counter('authentication-missing')]).toEqual([[], 1]);
  });

  it('§6 answers a missing timestamp with 145', () => {
    expect(refused(new Scene(), { sequence: 1, timestamp: undefined }).message.status).toBe(145);
  });

  it.each([-8000, 8000])(
    '§6 answers a clock off by %i ms with 144, own seconds and the node’s fraction',
    (skew) => {
      const scene = new Scene();
      const timestamp = scene.timestamp(skew);
      const answer = refused(scene, { sequence: 1, timestamp });
      expect(answer.message.status).toBe(144);
      const returned = optionOf(answer, 'replay-protection')?.timestamp ?? 0n;
      expect(returned & 0xffffffffn).toBe(timestamp & 0xffffffffn);
      expect(returned >> 32n).toBe(ntpTimestamp(scene.wallNow()) >> 32n);
    },
  );

  it('§6 checks the timestamp before 133, 132 and 129', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    const timestamp = scene.timestamp(8000);
    expect(refused(scene, { sequence: 1, lifetimeUnits: 0, timestamp }).message.status).toBe(144);
    for (const homeAddress of [ipv6('2001:db8:9::1'), BOB_ADDRESS]) {
      expect(refused(scene, { sequence: 1, homeAddress, timestamp }).message.status).toBe(144);
    }
    expect(
      refused(scene, { sequence: 1, lifetimeUnits: 0, timestamp: undefined }).message.status,
    ).toBe(145);
  });

  it('§6 answers a replay with 144, also without binding and after a restart', () => {
    const scene = new Scene();
    const captured = scene.build(OVER_IPV6, { sequence: 1 });
    scene.deliver(OVER_IPV6, captured);
    scene.sent = [];
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, captured);
    expect(scene.acknowledgement().message).toMatchObject({ status: 144, sequence: 1 });
    expect(scene.snapshot()).toEqual(before);
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 });
    scene.deliver(OVER_IPV6, captured);
    expect(scene.acknowledgement().message.status).toBe(144);
    const restarted = new Scene({}, scene);
    restarted.deliver(OVER_IPV6, captured);
    expect(restarted.acknowledgement().message.status).toBe(144);
  });

  it('§6 answers a replayed Binding Update that was refused before with 144', () => {
    const scene = new Scene({ maximumBindings: 0 });
    const captured = scene.build(OVER_IPV6, { sequence: 1 });
    scene.deliver(OVER_IPV6, captured);
    expect(scene.acknowledgement().message.status).toBe(130);
    scene.deliver(OVER_IPV6, captured);
    expect(scene.acknowledgement().message.status).toBe(144);
  });

  it('§6 answers a reordered Binding Update with 144 and keeps the later binding', () => {
    const scene = new Scene();
    const older = scene.build(OVER_IPV6, { sequence: 7 });
    scene.pass(20);
    scene.update(OVER_IPV6, { sequence: 8, careOf: ipv6('2001:db8:b::7') });
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, older);
    expect(scene.acknowledgement().message.status).toBe(144);
    expect(scene.snapshot()).toEqual(before);
  });

  it('§6 judges the timestamp of each security association by itself', () => {
    const keys = [registrationKey(1000), registrationKey(1001)];
    const mobileNodes = [{ ...ALICE, registrationKeys: keys }];
    const scene = new Scene({ mobileNodes });
    const second = { registrationKey: registrationKey(1001) };
    scene.update(OVER_IPV6, { sequence: 1, timestamp: scene.timestamp(3000) });
    const slow = { ...second, sequence: 2, timestamp: scene.timestamp(-3000) };
    expect(scene.update(OVER_IPV6, slow).message.status).toBe(0);
    // Each key's own last timestamp counts, also after a restart.
    for (const agent of [scene, new Scene({ mobileNodes }, scene)]) {
      const first = { sequence: 3, timestamp: agent.timestamp(2000) };
      expect(refused(agent, first).message.status).toBe(144);
      const older = { ...second, sequence: 3, timestamp: agent.timestamp(-4000) };
      expect(refused(agent, older).message.status).toBe(144);
    }
  });

  it('§6 counts the timestamp of a security association for all its home addresses', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, timestamp: scene.timestamp(1000) });
    const other = { sequence: 1, homeAddress: SECOND_HOME_ADDRESS };
    expect(refused(scene, { ...other, timestamp: scene.timestamp(500) }).message.status).toBe(144);
    const later = { ...other, timestamp: scene.timestamp(1500) };
    expect(scene.update(OVER_IPV6, later).message.status).toBe(0);
  });
});

describe('silent discards (RFC 6275 §9.5.1, §6.1.7)', () => {
  const nonces = { type: 'nonce-indices', homeNonceIndex: 1, careOfNonceIndex: 1 } as const;
  const linkLocal = { type: 'alternate-care-of-address', address: ipv6('fe80::1') } as const;

  it.each<[string, Update, string]>([
    ['HA_2_2_7 Nonce Indices', { sequence: 1, options: [nonces] }, 'nonce-indices-present'],
    [
      'alternate care-of address of link scope',
      { sequence: 1, options: [linkLocal] },
      'care-of-address-invalid',
    ],
    [
      'HA_2_2_9 home address of link scope',
      { sequence: 1, homeAddress: ipv6('fe80::7') },
      'mobile-ipv6-header-invalid',
    ],
    [
      'HA_2_2_13 multicast home address',
      { sequence: 1, homeAddress: ipv6('ff02::7') },
      'mobile-ipv6-header-invalid',
    ],
    [
      'link-local source as home address',
      { sequence: 1, homeAddress: ipv6('fe80::7'), atHome: true },
      'home-address-invalid',
    ],
    ['multicast source', { sequence: 1, careOf: ipv6('ff05::1') }, 'source-not-unicast'],
    [
      'RFC 6275 §10.3.1 registration from the home address without Home Address option',
      {
        sequence: 1,
        atHome: true,
        options: [{ type: 'alternate-care-of-address', address: CARE_OF }],
      },
      'home-address-option-missing',
    ],
    [
      'correspondent registration',
      { sequence: 1, flags: { homeRegistration: false } },
      'correspondent-role-not-served',
    ],
    [
      'other destination',
      { sequence: 1, destination: ipv6('2001:db8:1::2') },
      'not-addressed-to-us',
    ],
  ])('%s', (_, update, reason) => {
    const scene = new Scene();
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, update));
    expect([scene.sent, scene.snapshot(), scene.counter(reason)]).toEqual([[], before, 1]);
  });

  it('drops a Home Address option over UDP and an invalid IPv4 care-of address', () => {
    const scene = new Scene();
    const path = udpPath('203.0.113.9');
    scene.deliver(path, scene.build(OVER_IPV6, { sequence: 1 }));
    expect(scene.counter('home-address-option-over-udp')).toBe(1);
    scene.deliver(path, scene.build(path, { sequence: 1, ipv4CareOf: ipv4('224.0.0.1') }));
    expect(scene.counter('care-of-address-invalid')).toBe(1);
    expect(scene.sent).toEqual([]);
  });

  it('skips a Binding Identifier option (RFC 5648)', () => {
    const bid = {
      type: 'binding-identifier',
      bindingId: 1,
      status: 0,
      simultaneousHomeAndForeign: false,
      careOfAddress: undefined,
    } as const;
    expect(new Scene().update(OVER_IPV6, { sequence: 1, options: [bid] }).message.status).toBe(0);
  });

  it('reports refusals to the operator at a limited rate', () => {
    const scene = new Scene();
    for (let count = 0; count < 30; count++)
      scene.update(OVER_IPV6, { sequence: 1, homeAddress: ipv6('2001:db8:9::1') });
    const events = scene.events.filter(({ name }) => name === 'registration-refused');
    expect(events).toHaveLength(10);
    expect(events[0]?.fields).toMatchObject({ status: 'not-home-subnet', careOfAddress: CARE_OF });
    expect(scene.counter('registration-refused')).toBe(30);
  });
});
