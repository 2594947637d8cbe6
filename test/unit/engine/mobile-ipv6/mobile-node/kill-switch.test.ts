/** The kill switch and the split tunnel of a mobile node, as desired of the host. */
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';
import { CONFIGURATION, HOME, HOME_AGENT, HOME_AGENT_V4, Scene } from './mobile-node-scene.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const VIRTUAL = { homes: [{ ...HOME, virtualHomeNetwork: true, ipv4HomeLink: undefined }] };
const CLOSED: Partial<MobileNodeConfiguration> = { ...VIRTUAL, killSwitch: 'always' };

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const published = (scene: Scene) => scene.desired('kill-switch')?.killSwitches?.[0];

/** Published again when it is closed again. */
const closedBy = (scene: Scene) => {
  scene.request('killswitch', { state: 'off' });
  scene.request('killswitch', { state: 'on' });
  return published(scene);
};
const defaults = (scene: Scene) =>
  (scene.desired('policy')?.rules ?? []).filter(({ priority }) => priority > 32_000);

describe('mobile node: kill switch', () => {
  it('closes in the first step, before the network is known', () => {
    const node = createMobileNode({ ...CONFIGURATION, ...CLOSED }, (size) => new Uint8Array(size));
    const out: Output[] = [];
    node.step(monotonic(0), { kind: 'restored' }, out);
    expect(out[0]).toMatchObject({ kind: 'set-desired', key: 'kill-switch' });
  });

  it('names the addresses of the home agent and changes with no move', () => {
    const scene = new Scene(CLOSED);
    scene.network(AWAY);
    expect(closedBy(scene)).toMatchObject({
      ...{ state: 'closed', keptAtStop: true, mark: CONFIGURATION.mark, lookups: false },
      homeAgents: [HOME_AGENT_V4, HOME_AGENT],
    });
    scene.network({ addresses: ['2001:db8:f2::2/64'] });
    expect(scene.updates()).toHaveLength(1);
    expect(published(scene)).toBeUndefined();
  });

  it('lets the node resolve the name of its home agent', () => {
    const homes = VIRTUAL.homes.map((home) => ({ ...home, homeAgent: { name: 'ha.example' } }));
    const scene = new Scene({ ...CLOSED, homes });
    scene.network(AWAY);
    expect(closedBy(scene)).toMatchObject({ lookups: true, homeAgents: [] });
  });

  it('keeps everything in the tunnel while no home agent answers', () => {
    const closed = new Scene(CLOSED);
    closed.network({ addresses: [] });
    const open = new Scene(VIRTUAL);
    open.network({ addresses: [] });
    expect(defaults(closed).length).toBeGreaterThan(0);
    expect(defaults(open)).toEqual([]);
  });

  it('opens and closes on request', () => {
    const scene = new Scene(CLOSED);
    scene.network(AWAY);
    expect(scene.request('killswitch', { state: 'off' })).toEqual({ killSwitch: 'lifted' });
    expect(published(scene)?.state).toBe('lifted');
    expect(scene.request('killswitch', { state: 'on' })).toEqual({ killSwitch: 'closed' });
    expect(published(scene)?.state).toBe('closed');
    expect(scene.request('killswitch', { state: 'ajar' })).toEqual({
      message: 'state is neither on nor off',
    });
    expect(new Scene(VIRTUAL).request('killswitch')).toEqual({
      message: 'killSwitch is not configured',
    });
  });

  it('lists private networks of the present links only if they are allowed', () => {
    const scene = new Scene({ ...CLOSED, allowLocalNetwork: true });
    const addresses = [
      ...['2001:db8:f1::2/64', '198.51.100.7/24', '192.168.7.7/24', 'fd00:7::7/64'],
      ...['10.7.7.7/7', '100.64.7.7/10', '172.33.7.7/16', 'fc00::7/6'],
    ];
    scene.network({ addresses });
    const networks = scene.desired('local-networks')?.localNetworks ?? [];
    expect(new Set(networks.map(({ device }) => device)).size).toBe(1);
    const prefixes = networks.map(({ prefix: { address } }) => address);
    expect(prefixes).toContain('fe80::');
    expect(prefixes.slice(-3)).toEqual(['192.168.7.0', 'fd00:7::', '100.64.0.0']);
    const without = new Scene(CLOSED);
    without.network(AWAY);
    expect(without.desired('local-networks')).toBeUndefined();
  });
});

describe('mobile node: name servers', () => {
  const GIVEN: MobilityOption = {
    type: 'dns-configuration',
    ipv6Servers: [HOME_AGENT],
    ipv4Servers: [],
    searchDomains: ['lab.example'],
  };
  const SERVERS = { servers: [HOME_AGENT], searchDomains: ['lab.example'] };

  it('uses those that the home agent gives, and those of the record after a restart', () => {
    const scene = new Scene({ ...VIRTUAL, acceptDns: true });
    scene.network(AWAY);
    scene.answer(scene.update(), { options: [GIVEN] });
    expect(scene.desired('name-servers')).toEqual({ nameServers: [SERVERS] });
    const again = new Scene({ ...VIRTUAL, acceptDns: true }, [
      { key: HOME.name, value: scene.record() },
    ]);
    again.network(AWAY);
    expect(again.desired('name-servers')).toEqual({ nameServers: [SERVERS] });
  });

  it('uses none of a home without authentication, neither of an answer nor of a record', () => {
    const trusting = new Scene({ ...VIRTUAL, acceptDns: true });
    trusting.network(AWAY);
    trusting.answer(trusting.update(), { options: [GIVEN] });
    const homes = VIRTUAL.homes.map((home) => ({ ...home, registrationKey: undefined }));
    const settings = { homes, acceptDns: true };
    const restored = new Scene(settings, [{ key: HOME.name, value: trusting.record() }]);
    restored.network(AWAY);
    expect(restored.desired('name-servers')).toBeUndefined();
    const scene = new Scene(settings);
    scene.network(AWAY);
    scene.answer(scene.update(), { options: [GIVEN] });
    expect(scene.desired('name-servers')).toBeUndefined();
  });

  it('stores none without acceptDns', () => {
    const scene = new Scene(VIRTUAL);
    scene.network(AWAY);
    scene.answer(scene.update(), { options: [GIVEN] });
    expect(JSON.stringify(scene.record())).not.toContain('lab.example');
  });

  it('neither asks for them nor uses them without acceptDns or without a key', () => {
    for (const homes of [VIRTUAL.homes, [{ ...HOME, registrationKey: undefined }]]) {
      const scene = new Scene({ homes, acceptDns: homes !== VIRTUAL.homes });
      scene.network(AWAY);
      const update = scene.update();
      expect(findOption(update.message.options, 'dns-configuration')).toBeUndefined();
    }
  });
});

describe('mobile node: split tunnel', () => {
  const split = (splitTunnel: MobileNodeConfiguration['splitTunnel']) => {
    const scene = new Scene({ ...VIRTUAL, splitTunnel });
    scene.network(AWAY);
    return defaults(scene)
      .filter(({ to, invert }) => to !== undefined || invert === true)
      .map(({ family, priority, table, to }) => ({ family, priority, table, to: to?.address }));
  };

  it('leads excluded prefixes around the tunnel', () => {
    const rules = split({ exclude: [prefix('198.51.100.0/24')], interfaces: [] });
    expect(rules).toEqual([
      { family: 6, priority: 33_002, table: 5000, to: undefined },
      { family: 4, priority: 33_001, table: 254, to: '198.51.100.0' },
      { family: 4, priority: 33_002, table: 5000, to: undefined },
    ]);
  });

  it('leads only included prefixes into the tunnel', () => {
    const include = [prefix('10.0.0.0/8'), prefix('2001:db8:77::/48')];
    expect(split({ include, exclude: [], interfaces: [] })).toEqual([
      { family: 6, priority: 33_002, table: 5000, to: '2001:db8:77::' },
      { family: 4, priority: 33_002, table: 5000, to: '10.0.0.0' },
    ]);
  });
});
