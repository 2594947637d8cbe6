/** What forged, replayed and repeated Binding Updates may cause on the home link. */
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { ALICE, HOME_ADDRESS, OVER_IPV6, registrationKey, type Scene } from './home-agent-scene.ts';
import { onLink, registered, sentOnLink, solicit } from './home-link-scene.ts';

const WRONG_KEY = registrationKey(1000, 1);

/** Another address of the home prefix for each number. */
const atHome = (number: number): Ipv6Address => ipv6(`2001:db8:1::${number.toString(16)}:1`);

/** The packets for the home link and for addresses on it, which the kernel would resolve. */
const caused = (scene: Scene): number =>
  scene.sent.filter(({ path }) => path.kind === 'link' || path.kind === 'ipv6').length;

describe('a forged Binding Update', () => {
  it('causes two multicasts, however many come from addresses of the home link', () => {
    const scene = onLink();
    for (let number = 1; number <= 500; number++) {
      const forged = { sequence: number, registrationKey: WRONG_KEY, homeAddress: atHome(number) };
      scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { ...forged, atHome: true }));
    }
    expect(sentOnLink(scene)).toHaveLength(2);
    scene.pass(1500);
    // The answers themselves, which the kernel then resolves.
    expect(caused(scene)).toBe(4);
    expect(scene.counter('authentication-failed')).toBe(500);
    expect(scene.counter('home-link-limited')).toBe(498);
  });

  it('causes two answers if the care-of address is on the home link', () => {
    const scene = onLink();
    for (let number = 1; number <= 500; number++) {
      const forged = { sequence: number, registrationKey: WRONG_KEY, careOf: atHome(number) };
      scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, forged));
    }
    expect(caused(scene)).toBe(2);
  });

  it('leaves the budget of the mobile node alone', () => {
    const scene = registered();
    for (let number = 1; number <= 100; number++) {
      const forged = { sequence: number, registrationKey: WRONG_KEY, homeAddress: atHome(number) };
      scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { ...forged, atHome: true }));
    }
    scene.sent = [];
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true }),
    );
    expect(sentOnLink(scene)).toMatchObject([{ body: { type: 'neighbour-solicitation' } }]);
  });
});

describe('a replayed Binding Update', () => {
  it('causes two multicasts, however often it is replayed', () => {
    const scene = onLink();
    const genuine = scene.build(OVER_IPV6, { sequence: 1, lifetimeUnits: 0, atHome: true });
    scene.deliver(OVER_IPV6, genuine);
    scene.pass(1000);
    scene.sent = [];
    for (let times = 0; times < 500; times++) scene.deliver(OVER_IPV6, genuine);
    expect(sentOnLink(scene)).toHaveLength(2);
  });
});

describe('a flood of solicitations for the address of a mobile node', () => {
  const answered = (scene: Scene, source: Ipv6Address, times: number): number => {
    let answers = 0;
    for (let time = 0; time < times; time++) {
      solicit(scene, HOME_ADDRESS, source);
      answers += sentOnLink(scene).length;
    }
    return answers;
  };

  it('causes three multicasts at once, and one a second after that', () => {
    const scene = registered();
    expect(answered(scene, ipv6('::'), 500)).toBe(3);
    expect(scene.counter('defence-limited')).toBe(497);
    scene.pass(1000);
    expect(answered(scene, ipv6('::'), 500)).toBe(1);
  });

  it('causes a thousand answers to one host', () => {
    const scene = registered();
    expect(answered(scene, ipv6('2001:db8:1::2'), 3000)).toBe(1000);
    expect(answered(scene, ipv6('::'), 1)).toBe(1);
  });
});

describe('an authentic Binding Update', () => {
  it('starts ten detections at once, and three a second after that', () => {
    const homeAddresses = Array.from({ length: 50 }, (_, number) => atHome(number + 1));
    const scene = onLink(undefined, { mobileNodes: [{ ...ALICE, homeAddresses }] });
    homeAddresses.forEach((homeAddress, at) => {
      scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: at, homeAddress }));
    });
    expect(sentOnLink(scene)).toHaveLength(10);
    expect(scene.counter('home-link-limited')).toBe(40);
    scene.pass(2000);
    scene.sent = [];
    homeAddresses.slice(10).forEach((homeAddress, at) => {
      scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 100 + at, homeAddress }));
    });
    expect(sentOnLink(scene)).toHaveLength(6);
  });
});
