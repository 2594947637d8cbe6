/** The rules of a closed kill switch. */
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import { killSwitchRules, localNetworkRules } from '#host/kernel/kill-switch-rules.ts';

const PRIVATE = parsePrefix('192.168.7.0/24');
const localNetworks = PRIVATE === undefined ? [] : [{ device: 'wlan0', prefix: PRIVATE }];
const rules = killSwitchRules({
  ...{ table: 't', device: 'tun0', localNetworks },
  desired: {
    ...{ state: 'closed', keptAtStop: true, mark: 7, homeAgents: [], lookups: false },
    ...{ innerDevices: [], splitTunnel: { exclude: [], interfaces: [] } },
  },
});

describe('local networks behind a kill switch', () => {
  it('let packets out by their own link alone', () => {
    expect(localNetworkRules('t', localNetworks)).toEqual([
      'flush chain inet t local',
      'add rule inet t local oifname "wlan0" ip daddr 192.168.7.0/24 accept',
    ]);
  });

  it('let out what the host itself sends, and not what it forwards', () => {
    const jumps = rules.filter((rule) => rule.endsWith('jump local'));
    expect(jumps).toEqual(['add rule inet t output jump local']);
  });
});
