/**
 * The correspondent node daemon: return routability, and data on direct paths in both directions,
 * between kernels that know nothing of Mobile IPv6. The picture is in helpers/correspondent-hosts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv6Address } from '#base/ip.ts';
import { QUERIES } from '#daemon/answers/answer-table.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, ipBatch, run, waitFor } from '#lab/shell.ts';
import {
  CARE_OF,
  CN,
  CorrespondentHosts,
  HOME,
  OTHER_CARE_OF,
  OTHER_CN,
} from '#test/netns/helpers/correspondent-hosts.ts';
import { icmp, packet } from '#test/netns/helpers/crafted-packets.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { LineProcess } from '#test/netns/helpers/line-process.ts';
import { ANSWERED, iperf } from '#test/netns/helpers/plane/plane-traffic.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';

let hosts: CorrespondentHosts;
beforeAll(async () => {
  hosts = await CorrespondentHosts.create();
});
afterAll(async () => await hosts?.[Symbol.asyncDispose]());

const ECHO = { type: 'echo-request', identifier: 7, sequence: 1, data: new Uint8Array(8) } as const;
const FIELDS = [
  ...['ipv6.src', 'ipv6.dst', 'ipv6.routing.mipv6.home_address', 'ipv6.opt.mipv6.home_address'],
] as const;

async function ping(from: 'cn' | 'mn', ...options: readonly string[]): Promise<string> {
  const [source, target] = from === 'cn' ? [CN, HOME] : [HOME, CN];
  const argv = ['ping', '-n', '-c', '3', '-i', '0.05', '-w', '5', '-I', source, ...options, target];
  return (await attempt(argv, { namespace: from })).stdout;
}

/** What the router saw of packets that pass the filter: addresses and Mobile IPv6 headers. */
async function seenWhile(filter: string, action: () => Promise<void>) {
  const file = `${LAB_DIRECTORY}/direct-${performance.now()}.pcap`;
  const capture = await hosts.capture(file);
  try {
    await action();
  } finally {
    await capture.stop();
  }
  expect(await dissect(file, '_ws.malformed', FIELDS)).toEqual([]);
  const seen = await dissect(file, filter, FIELDS);
  return seen.map((field) => {
    const [source, destination, routing, option] = FIELDS.map((name) => field(name).split(',')[0]);
    return shown(source, destination, { routing, option });
  });
}

function shown(
  source: string | undefined,
  destination: string | undefined,
  {
    routing,
    option,
  }: { readonly routing?: string | undefined; readonly option?: string | undefined } = {},
): string {
  return `${source} > ${destination}, type 2 ${routing || 'none'}, option ${option || 'none'}`;
}

const onTheWay = (careOf: Ipv6Address) => ({
  toMobile: shown(CN, careOf, { routing: HOME }),
  fromMobile: shown(careOf, CN, { option: HOME }),
});

describe('a correspondent node without bindings', () => {
  it('exchanges packets with a mobile node by its home network, as any host does', async () => {
    const seen = await seenWhile('icmpv6.type == 128 || icmpv6.type == 129', async () => {
      expect(await ping('mn')).toMatch(ANSWERED);
    });
    expect(new Set(seen)).toEqual(new Set([shown(HOME, CN), shown(CN, HOME)]));
  });

  it('CN-6-2-1 answers an unbound Home Address option with Binding Error 1 alone', async () => {
    const { packet: answer, message } = await hosts.exchange(
      icmp(CARE_OF, CN, ECHO, HOME),
      'binding-error',
    );
    expect([answer.source, answer.destination]).toEqual([CN, CARE_OF]);
    expect(message).toMatchObject({ status: 1, homeAddress: HOME });
    expect(await hosts.count('home-address-packets', 'plane')).toBe(0);
  });
});

describe('a correspondent node with a binding', () => {
  beforeAll(async () => await hosts.bind());

  it('CN-1-2 shows the binding that return routability has proved', async () => {
    expect(await hosts.bindings()).toMatchObject([
      { homeAddress: HOME, careOfAddress: CARE_OF, correspondentAddress: CN, lifetimeSeconds: 400 },
    ]);
    expect(await hosts.daemon.request('tunnels')).toMatchObject([
      { encapsulation: 'optimized', local: CN, remote: CARE_OF, homeAddress: HOME },
    ]);
  });

  it.each(['status', 'bindings', 'tunnels'])('answers %s as its documents say', async (command) => {
    const form = QUERIES[command]?.forms.find(({ daemons }) => daemons.includes('cn'));
    const known = Object.keys(form?.fields ?? {}).map((name) => name.replace(/\?$/, ''));
    const answer = await hosts.daemon.request(command);
    const rows = command === 'status' ? [objectOf(answer)] : objectsOf(answer);
    expect(rows.length).toBe(1);
    expect(Object.keys(rows[0] ?? {}).filter((name) => !known.includes(name))).toEqual([]);
  });

  it('CN-1-3, CN-6-2-2, CN-6-4-1 exchange data by the direct path in both directions', async () => {
    const seen = await seenWhile('icmpv6.type == 128 || icmpv6.type == 129', async () => {
      expect(await ping('mn')).toMatch(ANSWERED);
      expect(await ping('cn')).toMatch(ANSWERED);
    });
    const { toMobile, fromMobile } = onTheWay(CARE_OF);
    expect(new Set(seen)).toEqual(new Set([toMobile, fromMobile]));
    expect(await hosts.count('home-address-packets', 'plane')).toBeGreaterThanOrEqual(6);
  });

  it('carries TCP of both directions with whole segments', async () => {
    const ends = { homeAgent: { namespace: 'cn' }, node: { namespace: 'mn' } };
    const seen = await seenWhile('tcp', async () => {
      for (const direction of [[], ['-R']] as const) {
        const options = ['-c', CN, '-B', HOME, '-n', '8M', ...direction];
        const { sum_received: sum } = await iperf(ends, options);
        // What is in buffers when the sender has finished does not count.
        expect(sum?.bytes).toBeGreaterThan(1_000_000);
      }
    });
    const { toMobile, fromMobile } = onTheWay(CARE_OF);
    expect(new Set(seen)).toEqual(new Set([toMobile, fromMobile]));
  });

  it('carries datagrams in fragments', async () => {
    expect(await ping('cn', '-s', '4000')).toMatch(ANSWERED);
    expect(await ping('mn', '-s', '4000')).toMatch(ANSWERED);
  });

  it('leaves packets between its other address and the home address as they are', async () => {
    const seen = await seenWhile('icmpv6.type == 128 || icmpv6.type == 129', async () => {
      const argv = ['ping', '-n', '-c', '3', '-i', '0.05', '-w', '5', '-I', OTHER_CN, HOME];
      expect((await attempt(argv, { namespace: 'cn' })).stdout).toMatch(ANSWERED);
    });
    expect(new Set(seen)).toEqual(new Set([shown(OTHER_CN, HOME), shown(HOME, OTHER_CN)]));
    expect(await hosts.count('sent-unchanged', 'plane')).toBeGreaterThanOrEqual(3);
  });

  it('CN-6-5 drops a packet with a type 2 routing header', async () => {
    const before = await hosts.count('drop-home-address', 'plane');
    const extensions = [{ type: 'type-2-routing', homeAddress: HOME }] as const;
    const payload = encodeIcmpv6(ECHO, 0, CARE_OF, HOME);
    await hosts.send(packet(CARE_OF, CN, PROTOCOL_ICMPV6, payload, extensions));
    await waitFor(async () => (await hosts.count('drop-home-address', 'plane')) > before, {
      timeoutMs: 5_000,
      what: 'the packet to be dropped',
    });
  });

  it('CN-6-2-3 believes a Home Address option from the care-of address alone', async () => {
    const before = await hosts.bindings();
    const forged = icmp(OTHER_CARE_OF, CN, ECHO, HOME);
    const { packet: answer } = await hosts.exchange(forged, 'binding-error');
    expect(answer.destination).toBe(OTHER_CARE_OF);
    expect(await hosts.bindings()).toMatchObject(JSON.parse(JSON.stringify(before, untimed)));
  });
});

describe('errors about packets on a direct path', () => {
  it('passes on Packet Too Big, and fragments below the smallest MTU', async () => {
    await ipBatch(['link set right mtu 1400'], { namespace: 'router' });
    try {
      const text = await ping('cn', '-s', '1400', '-M', 'do');
      expect(text).toMatch(/Packet too big|message too long|mtu/i);
      expect(await ping('cn', '-s', '1200')).toMatch(ANSWERED);
    } finally {
      await ipBatch(['link set right mtu 1500'], { namespace: 'router' });
    }
  });

  it('passes on that the care-of address is unreachable', async () => {
    await ipBatch([`route add unreachable ${CARE_OF}/128`], { namespace: 'router' });
    try {
      await waitFor(async () => /unreachable/i.test(await ping('cn')), {
        timeoutMs: 15_000,
        what: 'an error of the router',
      });
    } finally {
      await ipBatch([`route delete ${CARE_OF}/128`], { namespace: 'router' });
    }
  });
});

describe('a connection to a correspondent node', () => {
  it('CN-3-4-1 survives a handover, a deletion and a new registration', async () => {
    await using server = lines('cn', 'serve', '7777');
    await server.process.until('ready');
    await hosts.bind(CARE_OF);
    await using client = lines('mn', 'connect', CN, '7777', HOME);
    await client.process.until('connected');
    const answer = `${HOME} ${CN}`;
    expect(await client.process.ask()).toBe(answer);
    await hosts.bind(OTHER_CARE_OF);
    expect(await client.process.ask()).toBe(answer);
    await hosts.unbind(OTHER_CARE_OF);
    expect(await client.process.ask()).toBe(answer);
    await hosts.bind(CARE_OF);
    expect(await client.process.ask()).toBe(answer);
  });

  it('continues by the home network after the operator has ended the binding', async () => {
    await hosts.daemon.request('revoke', { homeAddress: HOME });
    await hosts.leave();
    const seen = await seenWhile('icmpv6.type == 128 || icmpv6.type == 129', async () => {
      expect(await ping('cn')).toMatch(ANSWERED);
    });
    expect(new Set(seen)).toEqual(new Set([shown(HOME, CN), shown(CN, HOME)]));
  });
});

describe('a stopped correspondent node', () => {
  it('leaves no rule, route, device or table of nft behind', async () => {
    expect(await hosts.daemon.stop()).toBe(0);
    const state = await Promise.all(
      [
        ['ip', '-6', 'rule'],
        ['ip', '-6', 'route', 'show', 'table', 'all'],
        ['ip', 'link'],
        ['nft', 'list', 'ruleset'],
      ].map((argv) => run(argv, { namespace: 'cn' })),
    );
    expect(state.join('\n')).not.toMatch(/sojourn|4185|lookup (?!local|main)/);
    await hosts.daemon.start();
  });
});

function untimed(key: string, value: unknown): unknown {
  return key === 'remainingSeconds' ? undefined : value;
}

function lines(namespace: string, ...parameters: readonly string[]) {
  const process = new LineProcess(namespace, 'line-peer.ts', ...parameters);
  return { process, [Symbol.asyncDispose]: async () => await process.kill() };
}
