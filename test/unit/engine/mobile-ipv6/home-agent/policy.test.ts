/** Groups of mobile nodes, of the configuration and of enrolments together. */
import { describe, expect, it } from 'vitest';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { OperatorPolicy } from '#engine/mobile-ipv6/home-agent/policy.ts';
import { ALICE, CONFIGURATION } from './home-agent-scene.ts';

const named = (identifier: string, group?: string): AuthorizedMobileNode => ({
  ...{ ...ALICE, identifier, homeAddresses: [] },
  ...(group === undefined ? {} : { group }),
});
const groupsOf = ({ configuration }: OperatorPolicy) =>
  configuration.mobileNodes.map(({ identifier, group }) => `${identifier} ${group ?? '-'}`);
const policyOf = (isolate: boolean, ...mobileNodes: readonly AuthorizedMobileNode[]) =>
  new OperatorPolicy({ ...CONFIGURATION, isolate, mobileNodes });

describe('groups', () => {
  it('do not exist while no node has one', () => {
    const policy = policyOf(true, named('alice'));
    expect(policy.enrol(named('laptop'))).toBe(false);
    expect(groupsOf(policy)).toEqual(['alice -', 'laptop -']);
  });

  it('begin with the first enrolled node that has one, also for the others', () => {
    const policy = policyOf(true, named('alice'));
    expect(policy.enrol(named('laptop', 'family'))).toBe(true);
    expect(policy.enrol(named('phone'))).toBe(false);
    expect(policy.enrol(named('tablet', 'family'))).toBe(false);
    expect(groupsOf(policy)).toEqual(['alice ', 'laptop family', 'phone ', 'tablet family']);
    policy.setEnrolled([]);
    expect(groupsOf(policy)).toEqual(['alice -']);
  });

  it('give an enrolled node without a group that of the others', () => {
    const policy = policyOf(true, named('alice', 'family'), named('bob'));
    policy.setEnrolled([named('laptop')]);
    expect(groupsOf(policy)).toEqual(['alice family', 'bob ', 'laptop ']);
  });

  it('mean nothing without isolation', () => {
    const policy = policyOf(false, named('alice', 'family'));
    expect(policy.enrol(named('laptop', 'sensors'))).toBe(false);
    expect(groupsOf(policy)).toEqual(['alice -', 'laptop -']);
  });
});
