/**
 * What a mobile router asks of its host's settings, by how the host lets itself be told. RFC 3963
 * §5.5, RFC 4861 §6.2.1.
 */
import { describe, expect, it } from 'vitest';
import type { DesiredSysctl, ForwardingControl } from '#engine/contract/desired-state.ts';
import { INGRESS, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import { AT_A } from './mobile-router-scene.ts';

/** IPv6 settings away from home, in their order: `interface/setting = value`. */
function asked(forwarding: ForwardingControl): readonly string[] {
  const scene = new RouterScene({}, { forwarding });
  scene.registered(AT_A, INGRESS);
  const sysctls = [...scene.desiredParts.values()].flatMap(
    (part): readonly DesiredSysctl[] => part.sysctls ?? [],
  );
  return sysctls
    .filter(({ path }) => path.startsWith('net/ipv6/'))
    .map(({ path, value }) => `${path.slice('net/ipv6/conf/'.length)} = ${value}`);
}

describe('the forwarding of IPv6 by a mobile router', () => {
  const LISTENING = ['eth0/accept_ra = 2', 'lan0/accept_ra = 0'];

  it('is of all interfaces but those to the outside, where the kernel knows no other way', () => {
    const expected = [
      'all/forwarding = 1',
      'default/forwarding = 0',
      'lan0/forwarding = 1',
      'eth0/forwarding = 0',
    ];
    expect(asked('everywhere')).toEqual([...LISTENING, ...expected]);
  });

  it('is of its network and the tunnel alone, where the kernel forwards by interface', () => {
    const forwarded = ['lan0/force_forwarding = 1', '%tun/force_forwarding = 1'];
    expect(asked('by-interface')).toEqual([
      ...LISTENING,
      ...forwarded,
      'lan0/forwarding = 1',
      'eth0/forwarding = 0',
    ]);
  });

  it('is what it is where nothing can be written: an interface to the outside may forward, as long as it listens', () => {
    expect(asked('given')).toEqual([
      'eth0/accept_ra = 2',
      'all/forwarding = 1',
      'lan0/forwarding = 1',
    ]);
  });
});
