/**
 * The owner of home registrations, with bindings of one home address that differ in their binding
 * identifier. RFC 5648 §4.1, §6.1.
 */
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { after, monotonic } from '#base/time.ts';
import { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { GrantedRegistration } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import { NO_PREFIXES } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import { Bindings } from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import { AddressPool } from '#engine/mobile-ipv6/home-agent/grants/address-pool.ts';
import { HOME_AGENT_REASONS } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import {
  ALICE,
  CARE_OF,
  CONFIGURATION,
  HOME_ADDRESS,
  HOME_AGENT,
  OTHER_CARE_OF,
} from './home-agent-scene.ts';

const NOW = monotonic(1_000_000);

function registration(bid: number, careOfAddress: Ipv6Address): GrantedRegistration {
  return {
    key: { homeAddress: HOME_ADDRESS, bid },
    mobileNode: ALICE,
    endpoint: {
      carrier: 'ip',
      local: HOME_AGENT,
      remote: careOfAddress,
      localPort: 0,
      remotePort: 0,
    },
    state: {
      homeAgentAddress: HOME_AGENT,
      careOfAddress,
      ipv4HomeAddress: undefined,
      mobileNetworkPrefixes: NO_PREFIXES,
      sequence: bid,
      spi: undefined,
      timestamp: 0n,
      lifetimeUnits: 10,
      expiresAt: after(NOW, 40_000),
      behindNat: false,
      linkLocalCompatibility: false,
    },
  };
}

function newBindings(): Bindings {
  const clock = new WallClock();
  clock.set(0);
  return new Bindings({
    clock,
    counters: new CounterSet(HOME_AGENT_REASONS),
    pool: new AddressPool(CONFIGURATION),
    homeLink: undefined,
    sealing: { withdraw() {} },
    tunnelMtu: CONFIGURATION.tunnelMtu,
  });
}

/** Keys of the outputs, with `-` in front where something is withdrawn or deleted. */
function keysOf({ out }: Step): readonly string[] {
  return out.flatMap((output) => {
    if (output.kind === 'set-desired')
      return [`${output.part === undefined ? '-' : ''}${output.key}`];
    if (output.kind === 'persist')
      return [`${output.value === undefined ? '-' : ''}${output.table} ${output.key}`];
    return [];
  });
}

describe('Bindings', () => {
  it('keeps two bindings of one home address apart by their binding identifier', () => {
    const bindings = newBindings();
    const step: Step = { now: NOW, out: [] };
    const first = bindings.register(step, registration(1, CARE_OF));
    const second = bindings.register(step, registration(2, OTHER_CARE_OF));
    expect(bindings.size).toBe(2);
    expect(bindings.tunnelCount).toBe(2);
    expect(bindings.find(first)).toBe(first);
    expect(bindings.find(second)).toBe(second);
    expect(bindings.isBound(HOME_ADDRESS, OTHER_CARE_OF)).toBe(true);
    expect(keysOf(step)).toEqual([
      'tunnel/1',
      `binding/${HOME_ADDRESS}#1`,
      `binding ${HOME_ADDRESS}#1`,
      'tunnel/2',
      `binding/${HOME_ADDRESS}#2`,
      `binding ${HOME_ADDRESS}#2`,
    ]);
  });

  it('removes one binding by its key and leaves the other of the same home address', () => {
    const bindings = newBindings();
    const first = bindings.register({ now: NOW, out: [] }, registration(1, CARE_OF));
    const second = bindings.register({ now: NOW, out: [] }, registration(2, OTHER_CARE_OF));
    const step: Step = { now: NOW, out: [] };
    bindings.remove(step, { homeAddress: HOME_ADDRESS, bid: 1 }, 'binding-deleted');
    expect(bindings.find(first)).toBeUndefined();
    expect([...bindings.values()]).toEqual([second]);
    expect(bindings.former(HOME_ADDRESS)).toBeUndefined();
    expect(keysOf(step)).toEqual([
      `-binding/${HOME_ADDRESS}#1`,
      '-tunnel/1',
      `-binding ${HOME_ADDRESS}#1`,
    ]);

    bindings.remove(step, second, 'binding-deleted');
    expect(bindings.size).toBe(0);
    expect(bindings.deadline()).toBe(Number.POSITIVE_INFINITY);
    expect(bindings.former(HOME_ADDRESS)?.sequence).toBe(2);
  });

  it('uses the home address alone as key without binding identifier', () => {
    const bindings = newBindings();
    const step: Step = { now: NOW, out: [] };
    bindings.register(step, registration(0, CARE_OF));
    expect(keysOf(step)).toEqual([
      'tunnel/1',
      `binding/${HOME_ADDRESS}`,
      `binding ${HOME_ADDRESS}`,
    ]);
    expect(bindings.find({ homeAddress: ipv6('2001:db8:1::100'), bid: 0 })).toBeDefined();
  });
});
