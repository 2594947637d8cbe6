/** Attackers of sealed Mobile IPv6: docs/reference/sealed-mobile-ipv6.md §3, §4, §8. */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { Script } from '#test/scenario/script.ts';
import { PROTOCOL_UDP } from '#wire/ip/udp.ts';
import type { Frame } from '../frame.ts';
import type { MobileHost } from '../mobile-host.ts';
import {
  HOME_AGENT,
  homeAddressOf,
  keyPairOfDaemon,
  mobileNodeConfiguration,
} from '../population.ts';

const ATTACKER = ipv6('2001:db8:bad::1');
const TUNNEL_REQUEST = 10;

function counts(host: { request(command: string): { readonly value: unknown } }, name: string) {
  const { value } = host.request('stats');
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** Another node, with the key pair of `key`. */
function addNode(
  script: Script,
  { index, key, agentKey = 'ha' }: { index: number; key: string; agentKey?: string },
): MobileHost {
  const base = mobileNodeConfiguration({ index, sealed: true });
  const { publicKey } = keyPairOfDaemon(agentKey);
  const configuration = { ...base, homes: base.homes.map((home) => ({ ...home, publicKey })) };
  const mobile = script.world.addMobile('other', configuration, (made, random) =>
    createMobileNode(made, random, { own: keyPairOfDaemon(key) }),
  );
  const style = { carrierMs: 5, advertisementMs: 10, dhcpMs: 20, dadMs: 0 };
  mobile.interfaces
    .get('eth0')
    ?.attach(script.network('ipv6-b'), { ...style, lingering: false, dadFails: false });
  script.world.runFor(5000);
  return mobile;
}

/** The datagrams that the daemon sends from now on. */
function datagramsOf({ engine }: Pick<MobileHost, 'engine'>): Uint8Array[] {
  const packets: Uint8Array[] = [];
  engine.onStep = (_, outputs) => {
    for (const output of outputs)
      if (output.kind === 'send' && output.path.kind === 'datagram') packets.push(output.packet);
  };
  return packets;
}

const isDatagram = (packet: Uint8Array): boolean => packet[6] === PROTOCOL_UDP;

/** The home agent gets the datagram again, from another address. */
function replay(script: Script, { control, destination }: Frame): void {
  if (control === undefined) throw new Error('nothing to replay');
  const ends = { source: ATTACKER, sourcePort: 4191, destination, destinationPort: 4191 };
  script.agent.receive({ encapsulation: 'sealed', ...ends, control });
  script.world.runFor(100);
}

describe('a Tunnel Request that was recorded', () => {
  it.each([
    ['while the home agent runs', false],
    ['after a restart of the home agent', true],
  ])('moves nothing %s', (_when, restarts) => {
    const script = new Script({ sealed: true });
    const requests: Frame[] = [];
    const { onFrame } = script.world.trace;
    script.world.trace.onFrame = (from, to, frame) => {
      onFrame(from, to, frame);
      const type = (frame.control?.[0] ?? 0) >> 4;
      if (from === 'mn' && frame.encapsulation === 'sealed' && type === TUNNEL_REQUEST)
        requests.push(frame);
    };
    script.move('ipv6-a');
    script.settled();
    const [recorded] = requests;
    if (restarts) script.restartAgent(10);
    const before = script.binding();
    replay(script, recorded ?? expect.fail('no Tunnel Request'));
    expect(script.binding()).toEqual(before);
    const refusals = ['initiation-old', 'session-replayed'].map((name) =>
      Number(counts(script.agent.engine, name)),
    );
    expect(Math.max(...refusals)).toBe(1);
  });
});

describe('the response of a handshake', () => {
  it('waits for the record of its timestamp, and sealed answers do not', () => {
    const script = new Script({ sealed: true });
    const awaited: unknown[] = [];
    script.agent.engine.onStep = (_, outputs) => {
      for (const output of outputs)
        if (output.kind === 'send') awaited.push(output.requires?.table);
    };
    script.move('ipv6-a');
    script.arrows('ha -> mn sealed Tunnel Response');
    expect(awaited[0]).toBe('handshake');
    script.settled();
    awaited.length = 0;
    script.move('ipv6-b');
    script.arrows('ha -> mn sealed mobility');
    expect(awaited).not.toContain('handshake');
  });
});

describe('the response of a handshake on the home link', () => {
  it('waits for the record of its timestamp too', () => {
    const script = new Script({ sealed: true, homeLink: true });
    script.move('ipv6-a');
    script.settled();
    script.move('none');
    script.restartMobile(200);
    const awaited: unknown[] = [];
    script.agent.engine.onStep = (_, outputs) => {
      for (const output of outputs)
        if (output.kind === 'send' && output.path.kind === 'link' && isDatagram(output.packet))
          awaited.push(output.requires?.table);
    };
    script.move('home');
    expect(script.settled()).toBeUndefined();
    expect(awaited[0]).toBe('handshake');
  });
});

describe('an endpoint that leads back into the tunnel', () => {
  it('gets no tunnel although the node answers from there', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    const before = script.settled();
    script.world.runFor(1500);
    const packets = { agent: datagramsOf(script.agent), node: datagramsOf(script.mobile) };
    const home = homeAddressOf(0);
    const { tunnel } = script.agent.tunnels.plane.routeOf(home) ?? expect.fail('no tunnel');
    const ports = { localPort: 4191, remotePort: 4191, relayIndex: 0 };
    const atAgent = { local: HOME_AGENT, remote: home, ...ports };
    script.agent.engine.step({ kind: 'roaming', tunnel, ...atAgent });
    const [question] = packets.agent.splice(0);
    const local = script.careOfAddress(6) ?? expect.fail('no care-of address');
    const atNode = { kind: 'datagram', local, remote: HOME_AGENT, ...ports } as const;
    script.mobile.engine.step({
      ...({ kind: 'datagram', path: atNode } as const),
      packet: question ?? expect.fail('no Keep Alive'),
    });
    const [answer] = packets.node.splice(0);
    script.agent.engine.step({
      ...({ kind: 'datagram', path: { kind: 'datagram', ...atAgent } } as const),
      packet: answer ?? expect.fail('no answer'),
    });
    expect(counts(script.agent.engine, 'endpoint-refused')).toBe(1);
    expect(script.binding()).toEqual(before);
    expect(script.lostData()).toBeUndefined();
  });
});

describe('a node', () => {
  it('gets no answer if it pins another key than that of the home agent', () => {
    const script = new Script({ sealed: true, agent: { mobileNodes: 2 } });
    addNode(script, { index: 1, key: 'mn1', agentKey: 'mn0' });
    expect(counts(script.agent.engine, 'initiation-mac')).toBeGreaterThan(0);
    expect(counts(script.agent.engine, 'binding-created')).toBe(0);
  });

  it('gets no answer with a key that the home agent does not list', () => {
    const script = new Script({ sealed: true, agent: { mobileNodes: 2 } });
    addNode(script, { index: 1, key: 'stranger' });
    expect(counts(script.agent.engine, 'initiation-refused')).toBeGreaterThan(0);
    expect(counts(script.agent.engine, 'binding-created')).toBe(0);
  });

  it('learns by status 129 that a home address is another node’s, which keeps its binding', () => {
    const script = new Script({ sealed: true, agent: { mobileNodes: 2 } });
    script.move('ipv6-a');
    script.settled();
    const before = script.binding();
    const other = addNode(script, { index: 0, key: 'mn1' });
    expect(script.binding()).toEqual(before);
    expect(script.lostData()).toBeUndefined();
    const { acknowledgements } = Object(other.engine.request('stats').value);
    expect(acknowledgements['administratively-prohibited']).toBeGreaterThan(0);
    expect(script.agent.tunnels.plane.routeOf(homeAddressOf(0))).toBeDefined();
  });

  it('cannot silence the call of another node by a handshake for its home address', () => {
    const script = new Script({ sealed: true, agent: { mobileNodes: 2 } });
    script.move('ipv6-a');
    script.settled();
    script.move('none');
    script.restartAgent(10);
    addNode(script, { index: 0, key: 'mn1' });
    expect(counts(script.agent.engine, 'session-started')).toBe(1);
    expect(counts(script.agent.engine, 'session-called')).toBe(2);
  });

  it('gets no binding without a seal if it has a public key', () => {
    const script = new Script({ agent: { sealed: true } });
    script.move('ipv6-a');
    script.world.runFor(5000);
    expect(counts(script.agent.engine, 'unsealed-update')).toBeGreaterThan(0);
    expect(counts(script.agent.engine, 'binding-created')).toBe(0);
  });
});
