import { describe, expect, it } from 'vitest';
import { ipv4, ipv6, UNSPECIFIED_V4 } from '#base/ip.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import {
  ALICE,
  HOME_ADDRESS,
  OVER_IPV6,
  optionOf,
  prefix,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  udpPath,
} from './home-agent-scene.ts';

const FIXED = ipv4('198.51.100.5');

function ask(address = UNSPECIFIED_V4, prefixLength = 32, requestPrefix = false): MobilityOption {
  return { type: 'ipv4-home-address', prefixLength, requestPrefix, address };
}

function node(number: number) {
  return {
    ...ALICE,
    identifier: `node${number}@example.org`,
    registrationKeys: [registrationKey(3000 + number)],
    homeAddresses: [ipv6(`2001:db8:1::3:${number}`)],
    ipv4HomeAddresses: [],
    mayUseIpv4Pool: true,
  };
}

function as(number: number) {
  return {
    homeAddress: ipv6(`2001:db8:1::3:${number}`),
    identifier: `node${number}@example.org`,
    registrationKey: registrationKey(3000 + number),
  };
}

describe('the IPv4 home address of a registration (RFC 5555 §3.1.1, §4.5)', () => {
  it.each([
    ['the requested fixed one', FIXED],
    ['the fixed one for 0.0.0.0', UNSPECIFIED_V4],
  ])('can be %s, routed into the same tunnel', (_, address) => {
    const scene = new Scene();
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [ask(address)] });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toEqual({
      type: 'ipv4-address-acknowledgement',
      status: 0,
      prefixLength: 32,
      address: FIXED,
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toEqual([
      { prefix: prefix(`${HOME_ADDRESS}/128`), tunnel: 1 },
      { prefix: prefix(`${FIXED}/32`), tunnel: 1 },
    ]);
  });

  it('works over UDP and stays the same when the node moves', () => {
    const scene = new Scene();
    scene.update(udpPath('203.0.113.9', 60001), {
      sequence: 1,
      ipv4CareOf: ipv4('10.0.0.2'),
      options: [ask()],
    });
    const answer = scene.update(OVER_IPV6, { sequence: 2, options: [ask(FIXED)] });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')?.status).toBe(0);
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toHaveLength(2);
  });

  it('§4.4.2.1 ends with a Binding Update without the option; the IPv6 binding stays', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, options: [ask()] });
    const answer = scene.update(OVER_IPV6, { sequence: 2 });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toBeUndefined();
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toHaveLength(1);
  });

  it.each<[string, MobilityOption, number]>([
    ['not allocated to the node: 130', ask(ipv4('198.51.100.6')), 130],
    ['no unicast address: 131', ask(ipv4('224.0.0.1')), 131],
    ['prefix length zero: 131', ask(FIXED, 0), 131],
    ['a prefix: 133', ask(UNSPECIFIED_V4, 24, true), 133],
  ])('%s; the IPv6 binding is created nevertheless', (_, option, status) => {
    const scene = new Scene();
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [option] });
    expect(answer.message.status).toBe(0);
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toMatchObject({
      status,
      prefixLength: 0,
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toHaveLength(1);
  });

  it('belongs to only one of two home addresses of a node', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, options: [ask()] });
    const second = { homeAddress: SECOND_HOME_ADDRESS };
    const asked = scene.update(OVER_IPV6, { sequence: 1, options: [ask(FIXED)], ...second });
    expect(optionOf(asked, 'ipv4-address-acknowledgement')?.status).toBe(130);
    const dynamic = scene.update(OVER_IPV6, { sequence: 2, options: [ask()], ...second });
    expect(optionOf(dynamic, 'ipv4-address-acknowledgement')?.status).toBe(132);
  });

  it('§4.5 fails with 132 without a pool, with 129 if the node may not use it', () => {
    const scene = new Scene({ mobileNodes: [node(1)] });
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [ask()], ...as(1) });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')?.status).toBe(132);
    const mobileNodes = [{ ...node(1), mayUseIpv4Pool: false }];
    const closed = new Scene({ mobileNodes, ipv4Pool: prefix('198.51.100.128/30') });
    const prohibited = closed.update(OVER_IPV6, { sequence: 1, options: [ask()], ...as(1) });
    expect(optionOf(prohibited, 'ipv4-address-acknowledgement')?.status).toBe(129);
  });

  it('§3.1.1 stays in a refresh with the P flag, which only a first registration heeds', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, options: [ask()] });
    const answer = scene.update(OVER_IPV6, {
      sequence: 2,
      options: [ask(UNSPECIFIED_V4, 24, true)],
    });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toMatchObject({
      status: 0,
      address: FIXED,
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes).toHaveLength(2);
  });

  it('stays assigned; an exhausted pool reassigns the longest idle one, else 132', () => {
    // Two usable addresses for three nodes.
    const scene = new Scene({
      mobileNodes: [node(1), node(2), node(3)],
      ipv4Pool: prefix('198.51.100.128/30'),
    });
    const given = (number: number, sequence: number) => {
      const answer = scene.update(OVER_IPV6, { sequence, options: [ask()], ...as(number) });
      const option = optionOf(answer, 'ipv4-address-acknowledgement');
      return option?.status === 0 ? option.address : option?.status;
    };
    expect([given(1, 1), given(2, 1), given(3, 1)]).toEqual([
      '198.51.100.129',
      '198.51.100.130',
      132,
    ]);
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, ...as(2) });
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, ...as(1) });
    expect(given(1, 3)).toBe('198.51.100.129');
    expect(given(3, 2)).toBe('198.51.100.130');
    expect(given(2, 3)).toBe(132);
    // Node 1 requests its address; after a restart each node still has its own.
    const restarted = new Scene(
      { mobileNodes: [node(1), node(2), node(3)], ipv4Pool: prefix('198.51.100.128/30') },
      scene,
    );
    const answer = restarted.update(OVER_IPV6, {
      sequence: 4,
      options: [ask(ipv4('198.51.100.129'))],
      ...as(1),
    });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toMatchObject({
      status: 0,
      address: '198.51.100.129',
    });
    const reassigned = restarted.update(OVER_IPV6, {
      sequence: 4,
      options: [ask(ipv4('198.51.100.130'))],
      ...as(2),
    });
    expect(optionOf(reassigned, 'ipv4-address-acknowledgement')?.status).toBe(130);
  });

  it('becomes idle again after the new holder of a reassigned one de-registers', () => {
    const scene = new Scene({
      mobileNodes: [node(1), node(2)],
      ipv4Pool: prefix('198.51.100.128/32'),
    });
    const given = (number: number, sequence: number) => {
      const answer = scene.update(OVER_IPV6, { sequence, options: [ask()], ...as(number) });
      return optionOf(answer, 'ipv4-address-acknowledgement')?.address;
    };
    expect(given(1, 1)).toBe('198.51.100.128');
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, ...as(1) });
    expect(given(2, 1)).toBe('198.51.100.128');
    expect(scene.store.get(`ipv4-assignment ${as(1).homeAddress}`)).toBeUndefined();
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, ...as(2) });
    expect(given(1, 3)).toBe('198.51.100.128');
  });

  it('becomes idle in the pool while its node uses a fixed one', () => {
    const both = {
      ...node(1),
      ipv4HomeAddresses: [FIXED],
      homeAddresses: [as(1).homeAddress, ipv6('2001:db8:1::4:1')],
    };
    const scene = new Scene({
      mobileNodes: [both, node(2)],
      ipv4Pool: prefix('198.51.100.128/32'),
    });
    const other = { ...as(1), homeAddress: ipv6('2001:db8:1::4:1') };
    scene.update(OVER_IPV6, { sequence: 1, options: [ask()], ...as(1) });
    const pooled = scene.update(OVER_IPV6, { sequence: 1, options: [ask()], ...other });
    expect(optionOf(pooled, 'ipv4-address-acknowledgement')?.address).toBe('198.51.100.128');
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, ...as(1) });
    const fixed = scene.update(OVER_IPV6, { sequence: 2, options: [ask(FIXED)], ...other });
    expect(optionOf(fixed, 'ipv4-address-acknowledgement')?.address).toBe(FIXED);
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [ask()], ...as(2) });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')).toMatchObject({
      status: 0,
      address: '198.51.100.128',
    });
  });

  it('never comes from the pool when it is fixed or the home agent’s own', () => {
    const scene = new Scene({
      mobileNodes: [{ ...ALICE, ipv4HomeAddresses: [ipv4('198.51.100.129')] }, node(1)],
      ipv4Addresses: [ipv4('198.51.100.130')],
      ipv4Pool: prefix('198.51.100.128/29'),
    });
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [ask()], ...as(1) });
    expect(optionOf(answer, 'ipv4-address-acknowledgement')?.address).toBe('198.51.100.131');
  });
});
