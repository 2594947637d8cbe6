import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { NEVER } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { espMtu } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import {
  AGENT,
  association,
  End,
  HOME,
  IN_UDP,
  NAT,
  OVER_IPV6,
  tunnelPart,
} from './esp-tunnels-scene.ts';

const LEASE = 2 ** 24;
const SHORT_LEASE = 2 ** 20;

describe('sequence numbers of data', () => {
  it('come in leases whose record is on the way to the disk', () => {
    const agent = new End('home-agent');
    const out = agent.desire(tunnelPart(OVER_IPV6));
    const persist = out.findIndex(({ kind }) => kind === 'persist');
    const keys = out.findIndex(
      (output) => output.kind === 'set-desired' && output.part?.espKeys !== undefined,
    );
    expect(persist).toBeGreaterThanOrEqual(0);
    expect(keys).toBeGreaterThan(persist);
    const [fingerprint] = agent.records.keys();
    expect(out[keys]).toMatchObject({ requires: { table: 'esp-data', key: fingerprint } });
    expect(agent.keys).toMatchObject({
      ...{ tunnel: 7, algorithm: 'aes-gcm-16', extendedSequenceNumbers: true },
      send: { spi: 1004, epoch: 0x050505, from: 1, until: LEASE },
      receive: { spi: 1003, after: 0 },
    });
  });

  it('get another lease at half of the present one, and not before', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(OVER_IPV6));
    agent.carried(LEASE / 2, 0);
    expect(agent.keys?.send).toMatchObject({ from: 1, until: LEASE });
    agent.carried(LEASE / 2 + 1, 0);
    expect(agent.keys?.send).toMatchObject({ from: 1, until: 2 * LEASE });
  });

  it('never leave twice over a crash, whatever was used of the lease', () => {
    let records = new Map<string, JsonValue>();
    let before = 0;
    for (let run = 0; run < 4; run++) {
      const node = new End('mobile-node', { records, epoch: run });
      node.desire(tunnelPart(OVER_IPV6));
      expect(node.keys?.send?.from).toBe(before + 1);
      if (run % 2 === 1) node.carried(before + LEASE / 2 + 2, 9);
      before = node.keys?.send?.until ?? 0;
      records = node.records;
    }
  });

  it('wait for the records of the store when a stored binding comes before them', () => {
    const first = new End('home-agent');
    first.desire(tunnelPart(OVER_IPV6));
    const second = new End('home-agent', {
      records: first.records,
      beforeRecords: (end) => {
        end.desire(tunnelPart(OVER_IPV6));
        expect(end.keys).toBeUndefined();
      },
    });
    expect(second.keys?.send?.from).toBe(LEASE + 1);
  });

  it('continue for the same tunnel after a move and after the registration ended', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(OVER_IPV6));
    const keys = agent.keys;
    agent.desire(tunnelPart({ ...OVER_IPV6, remote: ipv6('2001:db8:b::5') }));
    expect(agent.keys).toEqual(keys);
    agent.desire(undefined);
    expect([...agent.parts.keys()]).toEqual([]);
    agent.desire(tunnelPart(OVER_IPV6));
    expect(agent.keys).toEqual(keys);
  });

  it('end with 32 bits unless they are extended', () => {
    const associations = [association(HOME, { extendedSequenceNumbers: false })];
    const first = new End('home-agent', { associations });
    first.desire(tunnelPart(OVER_IPV6));
    expect(first.keys?.send?.until).toBe(SHORT_LEASE);
    const [fingerprint = ''] = first.records.keys();
    const near = new End('home-agent', {
      associations,
      records: new Map([[fingerprint, { sent: 2 ** 32 - 10, received: 0 }]]),
    });
    near.desire(tunnelPart(OVER_IPV6));
    expect(near.keys?.send).toMatchObject({ from: 2 ** 32 - 9, until: 2 ** 32 - 1 });
    near.carried(2 ** 32 - 1, 0);
    expect(near.keys?.send?.until).toBe(2 ** 32 - 1);
    const last = new End('home-agent', { associations, records: near.records });
    last.desire(tunnelPart(OVER_IPV6));
    expect(last.keys?.send).toBeUndefined();
    expect(last.counts).toEqual(['esp-exhausted']);
  });

  it('stay refused after a restart once they were received', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(OVER_IPV6));
    agent.carried(0, 1234);
    const later = new End('home-agent', { records: agent.records });
    later.desire(tunnelPart(OVER_IPV6));
    expect(later.keys?.receive.after).toBe(1234);
  });

  it('survive records that no program of this kind wrote', () => {
    const first = new End('home-agent');
    first.desire(tunnelPart(OVER_IPV6));
    const [fingerprint = ''] = first.records.keys();
    for (const value of [null, 7, 'x', [], { sent: -1 }, { sent: 'x', remote: 5, remotePort: 0 }]) {
      const agent = new End('home-agent', { records: new Map([[fingerprint, value]]) });
      agent.desire(tunnelPart(OVER_IPV6));
      expect(agent.keys?.send?.from).toBe(1);
    }
  });
});

describe('a home agent with ESP in UDP', () => {
  it('sends nothing before an authentic packet came from the address of the registration', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(IN_UDP));
    expect(agent.keys?.send).toBeUndefined();
    expect(agent.path?.remotePort).toBe(0);
    agent.roamed('203.0.113.9', 9999);
    expect(agent.keys?.send).toBeUndefined();
    agent.roamed(NAT, 62_000);
    expect(agent.keys?.send).toMatchObject({ from: 1 });
    expect(agent.path).toEqual({ ...IN_UDP, remotePort: 62_000 });
    agent.roamed(NAT, 62_001);
    expect(agent.path?.remotePort).toBe(62_001);
  });

  it('knows the port of a packet that came before its registration', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(OVER_IPV6));
    agent.roamed(NAT, 62_000);
    expect(agent.path).toEqual(OVER_IPV6);
    agent.desire(tunnelPart(IN_UDP));
    expect(agent.path?.remotePort).toBe(62_000);
  });

  it('keeps sending when a late packet comes from the address that the node has left', () => {
    const after = ipv4('203.0.113.77');
    const agent = new End('home-agent');
    agent.desire(tunnelPart(IN_UDP));
    agent.roamed(NAT, 61_000);
    // Data of the new address come before its Binding Update.
    agent.roamed(after, 62_000);
    expect(agent.path).toEqual({ ...IN_UDP, remotePort: 61_000 });
    agent.desire(tunnelPart({ ...IN_UDP, remote: after }));
    expect(agent.path?.remotePort).toBe(62_000);
    agent.roamed(NAT, 61_000);
    agent.carried(LEASE / 2 + 1, 9);
    expect(agent.keys?.send).toMatchObject({ from: 1, until: 2 * LEASE });
    // Not after a reload or a restart either.
    const out: Output[] = [];
    agent.tunnels.reconfigure({ now: agent.now, out }, [association()]);
    const published = out.flatMap((one) => (one.kind === 'set-desired' ? [one.part] : []));
    expect(published).toMatchObject([
      { espKeys: [{ send: { until: 2 * LEASE } }] },
      { tunnels: [{ path: { remote: after, remotePort: 62_000 } }] },
    ]);
    const later = new End('home-agent', { records: agent.records });
    later.desire(tunnelPart({ ...IN_UDP, remote: after }));
    expect(later.path?.remotePort).toBe(62_000);
    expect(later.keys?.send).toBeDefined();
  });

  it('takes the latest port of each address, whatever the order of packets and moves', () => {
    const addresses = ['198.51.100.7', '203.0.113.77', '203.0.113.78'] as const;
    const step = fc.record({
      at: fc.constantFrom(...addresses),
      port: fc.integer({ min: 1, max: 9 }),
    });
    const moves = fc.array(fc.tuple(step, fc.constantFrom(...addresses, undefined)));
    fc.assert(
      fc.property(moves, (all) => {
        const agent = new End('home-agent');
        agent.desire(tunnelPart(IN_UDP));
        let known = false;
        for (const [{ at, port }, moveTo] of all) {
          agent.roamed(at, port);
          if (agent.path?.remote === at) expect(agent.path.remotePort).toBe(port);
          const before = agent.path;
          if (moveTo !== undefined) agent.desire(tunnelPart({ ...IN_UDP, remote: ipv4(moveTo) }));
          // A packet of the new address came just before: its port is known at once.
          if (moveTo === at) expect(agent.path).toMatchObject({ remote: at, remotePort: port });
          else if (moveTo === undefined) expect(agent.path).toEqual(before);
          agent.carried(0, 1);
          known = (agent.path?.remotePort ?? 0) > 0;
          expect(agent.keys?.send !== undefined).toBe(known);
        }
      }),
    );
  });

  it('knows the port after a restart', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(IN_UDP));
    agent.roamed(NAT, 62_000);
    const later = new End('home-agent', { records: agent.records });
    later.desire(tunnelPart(IN_UDP));
    expect(later.path?.remotePort).toBe(62_000);
    expect(later.keys?.send).toMatchObject({ from: LEASE + 1 });
  });

  it('forgets the port of an address that the node has left', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(IN_UDP));
    agent.roamed(NAT, 62_000);
    agent.desire(tunnelPart({ ...IN_UDP, remote: ipv4('203.0.113.77') }));
    expect(agent.path?.remotePort).toBe(0);
    expect(agent.keys?.send).toBeUndefined();
  });

  it('keeps inputs of ESP from the engine, and no others', () => {
    const agent = new End('home-agent');
    agent.desire(tunnelPart(IN_UDP));
    agent.seen.splice(0);
    agent.carried(1, 1);
    agent.roamed(NAT, 62_000);
    expect(agent.seen).toEqual([]);
    agent.step({ kind: 'record', table: 'binding', key: 'x', value: null });
    const other = { local: AGENT, localPort: 4191, remote: NAT, remotePort: 5, relayIndex: 0 };
    agent.step({ kind: 'roaming', tunnel: 8, ...other });
    expect(agent.seen).toEqual(['record', 'roaming']);
  });
});

describe('a mobile node with ESP in UDP', () => {
  it('shows its port when it moves, and keeps its NAT mapping every 20 s', () => {
    const node = new End('mobile-node');
    node.desire(tunnelPart(IN_UDP));
    expect(node.keys?.send).toMatchObject({ spi: 1003 });
    const times: number[] = [];
    for (let count = 0; count < 6; count++) {
      times.push(node.now - 1000);
      node.now = node.deadline();
      node.step({ kind: 'tick' });
    }
    expect(times).toEqual([0, 200, 1_000, 3_000, 23_000, 43_000]);
    // Dummy packets are empty.
    expect(node.sent.map((packet) => [...packet])).toEqual([[], [], [], [], [0xff], [], [0xff]]);
  });

  it('sends neither over IPv6', () => {
    const node = new End('mobile-node');
    node.desire(tunnelPart(OVER_IPV6));
    expect(node.sent).toEqual([]);
    expect(node.deadline()).toBe(NEVER);
  });

  it('ends its keepalives with its tunnel', () => {
    const node = new End('mobile-node');
    node.desire(tunnelPart(IN_UDP));
    node.desire({});
    expect(node.deadline()).toBe(NEVER);
    expect([...node.parts.keys()]).toEqual(['tunnel/7']);
  });

  it('passes traffic on to its engine', () => {
    const node = new End('mobile-node');
    node.desire(tunnelPart(IN_UDP));
    node.seen.splice(0);
    node.carried(1, 1);
    expect(node.seen).toEqual(['traffic']);
  });
});

describe('the MTU of a tunnel in ESP', () => {
  it.each([
    ['aes-gcm-16', 1426, 1438],
    ['aes-cbc-hmac-sha256-128', 1406, 1422],
    ['null-hmac-sha256-128', 1434, 1446],
  ] as const)('lets %s fill an Ethernet link under IPv6 and IPv4', (algorithm, six, four) => {
    expect(espMtu(algorithm, 1500 - 40)).toBe(six);
    expect(espMtu(algorithm, 1500 - 28)).toBe(four);
  });
});
