/**
 * The stub resolver with independent clients (c-ares in Node's resolver, raw queries), an upstream
 * server on loopback, and a scripted engine.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, RECURSION_DESIRED, streamDecode, streamEncode } from 'dns-packet';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import { Forwarder } from '#host/dns/dns-forwarder.ts';
import { DnsListener } from '#host/dns/dns-listener.ts';
import { type StubOptions, StubResolver } from '#host/dns/stub-resolver.ts';
import { answerAsAccessNetwork, query, queryOfType, rcodeOf, until } from './dns-peers.ts';

const LOOPBACK = ipv4('127.0.0.1');
const V6 = ipv6('fd12:3456:789a::61');
const V4 = ipv4('198.18.0.97');
const VIRTUAL: NameAnswer = { outcome: 'addresses', addresses: [V6, V4], timeToLiveSeconds: 42 };
const PREFIX = parsePrefix('198.18.0.0/15') ?? { address: V4, length: 15 };

/** Queries that the upstream server received. */
let upstreamHeard: Buffer[] = [];
/** Questions that the engine was asked. */
let engineHeard: string[] = [];
let families: readonly (4 | 6)[] = [4, 6];
/**
 * The engine's answers, by `name`, or `unreachable name` for the second query; others are
 * forwarded.
 */
let engine: Readonly<Record<string, NameAnswer | 'silent'>> = {};
/** Responders of queries that it left open. */
let held: ((answer: NameAnswer) => void)[] = [];
let upstream: DnsListener;
let stub: StubResolver;
let resolver: Resolver;

function upstreamAnswer(octets: Uint8Array, transport: 'udp' | 'tcp'): Uint8Array | undefined {
  upstreamHeard.push(Buffer.from(octets));
  return answerAsAccessNetwork(octets, transport);
}

async function openStub(
  options: Partial<StubOptions> = {},
  servers = [{ address: '127.0.0.1', port: upstream.port }],
) {
  const forwarder = new Forwarder({
    servers: () => servers,
    sources: () => [],
    timeoutMs: 2_000,
    staggerMs: 100,
  });
  stub = await StubResolver.open({
    ...{
      addresses: [LOOPBACK],
      port: 0,
      forwarder,
      virtualIpv4Prefix: PREFIX,
      rebind: { refuseLoopback: true, refusePrivate: false, exemptDomains: [] },
      now: () => performance.now(),
    },
    ...options,
  });
  stub.onQuery((name, unreachable, respond) => {
    const key = unreachable ? `unreachable ${name}` : name;
    engineHeard.push(key);
    const answer = engine[key] ?? { outcome: 'forward', families, virtualPrefixes: [PREFIX] };
    if (answer === 'silent') held.push(respond);
    else queueMicrotask(() => respond(answer));
  });
  resolver = new Resolver({ timeout: 3000, tries: 1 });
  resolver.setServers([`127.0.0.1:${stub.port}`]);
}

beforeEach(async () => {
  upstreamHeard = [];
  engineHeard = [];
  held = [];
  families = [4, 6];
  engine = { 'a.nodes.example': VIRTUAL, 'b.nodes.example': { outcome: 'no-such-name' } };
  upstream = await DnsListener.open({ addresses: [LOOPBACK], port: 0, answer: upstreamAnswer });
  await openStub();
});
afterEach(async () => {
  await stub[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

/** Sends one datagram and waits for one. */
async function exchange(octets: Uint8Array): Promise<Buffer> {
  const socket = createSocket('udp4');
  socket.send(octets, stub.port, '127.0.0.1');
  const [answer] = await once(socket, 'message');
  socket.close();
  return Buffer.from(answer);
}

describe('the stub resolver, a name of NTMobile', () => {
  it('resolves to the virtual addresses and the time to live of the engine’s answer', async () => {
    expect(await resolver.resolve6('a.nodes.example', { ttl: true })).toEqual([
      { address: V6, ttl: 42 },
    ]);
    expect(await resolver.resolve4('A.Nodes.Example', { ttl: true })).toEqual([
      { address: V4, ttl: 42 },
    ]);
    expect(upstreamHeard).toEqual([]);
  });

  it('never leaves the host: other records, NXDOMAIN, SERVFAIL are local answers', async () => {
    engine = { ...engine, 'c.nodes.example': { outcome: 'failure' } };
    await expect(resolver.resolveMx('a.nodes.example')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolve4('b.nodes.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve4('c.nodes.example')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    expect(upstreamHeard).toEqual([]);
  });

  it('keeps the query’s case, and gets RA, and EDNS if the query has it', async () => {
    const opt = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1232,
      ednsVersion: 0,
      extendedRcode: 0,
      flags: 0,
    } as const;
    const asked = query('A.nodes.Example', 'A', {
      additionals: [{ ...opt, flag_do: false, options: [] }],
    });
    expect(decode(await exchange(asked))).toMatchObject({
      ...{ id: 77, flag_ra: true, flag_rd: true, flag_aa: false },
      answers: [{ name: 'A.nodes.Example', data: V4 }],
      additionals: [{ type: 'OPT' }],
    });
    expect(decode(await exchange(query('a.nodes.example'))).additionals).toEqual([]);
  });

  it('reaches the engine once for simultaneous queries', async () => {
    engine = { 'a.nodes.example': 'silent' };
    const asked = Array.from({ length: 20 }, () => exchange(query('a.nodes.example')));
    await until(() => stub.counters()['queries'] === 20);
    expect(held).toHaveLength(1);
    for (const respond of held) respond(VIRTUAL);
    const answers = (await Promise.all(asked)).map((octets) => decode(octets).answers);
    expect(answers).toEqual(asked.map(() => [expect.objectContaining({ data: V4 })]));
    expect(engineHeard).toEqual(['a.nodes.example']);
  });

  it('fails when the engine does not answer', async () => {
    await stub[Symbol.asyncDispose]();
    engine = { 'a.nodes.example': 'silent' };
    await openStub({ engineMs: 50 });
    await expect(resolver.resolve4('a.nodes.example')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  });

  it('resolves in reverse; other virtual addresses neither resolve nor are forwarded', async () => {
    await resolver.resolve4('a.nodes.example');
    expect(await resolver.reverse(V4)).toEqual(['a.nodes.example']);
    expect(await resolver.reverse(V6)).toEqual(['a.nodes.example']);
    await expect(resolver.reverse('198.19.255.1')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(upstreamHeard).toEqual([]);
    await expect(resolver.reverse('192.0.2.4')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(upstreamHeard).toHaveLength(1);
  });
});

describe('the stub resolver, any other name', () => {
  it('reaches an upstream server unchanged except for the id, as does its answer', async () => {
    const padding = { type: 'PADDING', code: 12, length: 7 } as const;
    const opt = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 4096,
      ednsVersion: 0,
      extendedRcode: 0,
      flags: 0x8000,
    } as const;
    const asked = query('Notes.Example', 'TXT', {
      additionals: [{ ...opt, flag_do: true, options: [padding] }],
    });
    const answer = await exchange(asked);
    expect(decode(answer)).toMatchObject({
      id: 77,
      answers: [{ type: 'TXT', data: [Buffer.from('as it is')] }],
    });
    expect(upstreamHeard.map((octets) => octets.subarray(2).toString('hex'))).toEqual([
      asked.subarray(2).toString('hex'),
    ]);
  });

  it('keeps its addresses, its failures, and its NXDOMAIN', async () => {
    expect(await resolver.resolve4('four.example')).toEqual(['192.0.2.4']);
    await expect(resolver.resolve6('four.example')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolve4('none.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve4('failing.example')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  });

  it('gets a large answer truncated over UDP and whole over TCP', async () => {
    expect(decode(await exchange(query('large.example'))).flag_tc).toBe(true);
    expect(await resolver.resolve4('large.example')).toHaveLength(100);
  });

  it('reaches the next server if one is silent or unreachable', async () => {
    await stub[Symbol.asyncDispose]();
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const servers = [silent.address().port, 9, upstream.port].map((port) => ({
      address: '127.0.0.1',
      port,
    }));
    await openStub({}, servers);
    expect(await resolver.resolve4('four.example')).toEqual(['192.0.2.4']);
    silent.close();
  });

  it('fails at once when there is no server', async () => {
    await stub[Symbol.asyncDispose]();
    await openStub({}, []);
    await expect(resolver.resolve4('four.example')).rejects.toMatchObject({ code: 'ESERVFAIL' });
  });
});

describe('the stub resolver, a name without an address of a reachable family', () => {
  beforeEach(() => {
    const all = ['four.example', 'six.example', 'both.example'].map(
      (name) => [`unreachable ${name}`, VIRTUAL] as const,
    );
    engine = Object.fromEntries(all);
  });

  it.each<readonly [string, readonly (4 | 6)[], string, readonly string[], readonly string[]]>([
    ['IPv6-only from IPv4', [4], 'six.example', [V4], [V6]],
    ['IPv4-only from IPv6', [6], 'four.example', [V4], [V6]],
    ['both from IPv4', [4], 'both.example', ['192.0.2.8'], ['2001:db8::8']],
    ['both from IPv6', [6], 'both.example', ['192.0.2.8'], ['2001:db8::8']],
    ['IPv6-only from both', [4, 6], 'six.example', [], ['2001:db8::6']],
    ['IPv4-only from IPv4', [4], 'four.example', ['192.0.2.4'], []],
  ])('%s', async (_what, reached, name, four, six) => {
    families = reached;
    const none = (): readonly string[] => [];
    const [a, aaaa] = await Promise.all([
      resolver.resolve4(name).catch(none),
      resolver.resolve6(name).catch(none),
    ]);
    expect([a, aaaa]).toEqual([four, six]);
    const virtual = four.includes(V4);
    expect(engineHeard.includes(`unreachable ${name}`)).toBe(virtual);
    expect(stub.counters()['unreachable']).toBe(virtual ? 2 : 0);
  });

  it('keeps its real addresses when no relay translates', async () => {
    families = [4];
    engine = { 'unreachable six.example': { outcome: 'failure' } };
    expect(await resolver.resolve6('six.example')).toEqual(['2001:db8::6']);
    await expect(resolver.resolve4('six.example')).rejects.toMatchObject({ code: 'ENODATA' });
  });

  it('remains NXDOMAIN if it does not exist', async () => {
    families = [4];
    await expect(resolver.resolve4('none.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(engineHeard).toEqual(['none.example']);
  });

  it('gives no hints with real addresses', async () => {
    families = [4];
    const before = await exchange(queryOfType('six.example', 65));
    expect(upstreamHeard).toHaveLength(1);
    await resolver.resolve4('six.example');
    upstreamHeard = [];
    const after = await exchange(queryOfType('six.example', 65));
    expect([rcodeOf(before), rcodeOf(after), decode(after).answers]).toEqual([0, 0, []]);
    expect(upstreamHeard).toEqual([]);
  });
});

describe('the stub', () => {
  it('forwards every query before an engine runs', async () => {
    const forwarder = new Forwarder({
      servers: () => [{ address: '127.0.0.1', port: upstream.port }],
      sources: () => [],
    });
    await using early = await StubResolver.open({
      ...{
        addresses: [LOOPBACK],
        port: 0,
        forwarder,
        rebind: { refuseLoopback: true, refusePrivate: false, exemptDomains: [] },
        virtualIpv4Prefix: PREFIX,
        now: () => performance.now(),
      },
    });
    resolver.setServers([`127.0.0.1:${early.port}`]);
    expect(await resolver.resolve4('four.example')).toEqual(['192.0.2.4']);
  });

  it('answers queries of one TCP connection in the order of their results', async () => {
    engine = { ...engine, 'c.nodes.example': 'silent' };
    const connection = connect(stub.port, '127.0.0.1');
    const ask = (id: number, name: string) => {
      const questions = [{ type: 'A', name, class: 'IN' } as const];
      return streamEncode({ type: 'query', id, flags: RECURSION_DESIRED, questions });
    };
    connection.write(Buffer.concat([ask(1, 'c.nodes.example'), ask(2, 'a.nodes.example')]));
    const [octets] = await once(connection, 'data');
    expect(streamDecode(octets)).toMatchObject({ id: 2, answers: [{ data: V4 }] });
    connection.destroy();
  });

  it('refuses queries beyond its limit', async () => {
    await stub[Symbol.asyncDispose]();
    engine = { 'slow.nodes.example': 'silent' };
    await openStub({ mostQueries: 1, engineMs: 60_000 });
    const slow = resolver.resolve4('slow.nodes.example');
    slow.catch(() => {});
    await until(() => held.length === 1);
    expect(rcodeOf(await exchange(query('four.example')))).toBe(2);
    expect(stub.counters()['busy']).toBe(1);
    resolver.cancel();
  });

  it.each([
    [
      'two questions',
      query('a.nodes.example', 'A', {
        questions: [1, 2].map(() => ({ type: 'A', name: 'a.b', class: 'IN' }) as const),
      }),
      1,
    ],
    ['another operation', query('a.nodes.example', 'A', { flags: 0x2800 }), 4],
    ['half a question', query('a.nodes.example').subarray(0, 20), 1],
  ])('answers %s with its error code', async (_what, octets, rcode) => {
    expect(rcodeOf(await exchange(octets))).toBe(rcode);
    expect(stub.counters()).toMatchObject({ malformed: 1, forwarded: 0 });
  });

  it('survives any octets', async () => {
    const socket = createSocket('udp4');
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (octets) => {
        sent += 1;
        socket.send(octets, stub.port, '127.0.0.1');
        await until(() => stub.counters()['queries'] === sent);
      }),
      { numRuns: 500 },
    );
    socket.close();
    expect(await resolver.resolve4('a.nodes.example')).toEqual([V4]);
  });
});
