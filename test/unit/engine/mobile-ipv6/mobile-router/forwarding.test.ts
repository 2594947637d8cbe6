/**
 * Forwarding settings that a mobile router desires, by what the host lets it write. RFC 3963 §5.5,
 * RFC 4861 §6.2.1.
 */
import { describe, expect, it } from 'vitest';
import type { DesiredSysctl, ForwardingControl } from '#engine/contract/desired-state.ts';
import { INGRESS, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import { AT_A } from './mobile-router-scene.ts';

/** IPv6 settings away from home, in their order: `interface/setting = value`. */
function settingsWith(forwarding: ForwardingControl): readonly string[] {
  const scene = new RouterScene({}, { forwarding });
  scene.registered(AT_A, INGRESS);
  const sysctls = [...scene.desiredParts.values()].flatMap(
    (part): readonly DesiredSysctl[] => part.sysctls ?? [],
  );
  return sysctls
    .filter(({ path }) => path.startsWith('net/ipv6/'))
    .map(({ path, value }) => `${path.slice('net/ipv6/conf/'.length)} = ${value}`);
}

describe('mobile router: IPv6 forwarding settings', () => {
  const LISTENING = ['eth0/accept_ra = 2', 'lan0/accept_ra = 0'];

  it('enables all interfaces except egress ones, if the kernel cannot forward by interface', () => {
    const expected = [
      'all/forwarding = 1',
      'default/forwarding = 0',
      'lan0/forwarding = 1',
      'eth0/forwarding = 0',
    ];
    expect(settingsWith('everywhere')).toEqual([...LISTENING, ...expected]);
  });

  it('enables its network and the tunnel alone, if the kernel forwards by interface', () => {
    const forwarded = ['lan0/force_forwarding = 1', '%tun/force_forwarding = 1'];
    expect(settingsWith('by-interface')).toEqual([
      ...LISTENING,
      ...forwarded,
      'lan0/forwarding = 1',
      'eth0/forwarding = 0',
    ]);
  });

  it('only checks the settings if they cannot be written; an egress interface may forward', () => {
    expect(settingsWith('given')).toEqual([
      'eth0/accept_ra = 2',
      'all/forwarding = 1',
      'lan0/forwarding = 1',
    ]);
  });
});
