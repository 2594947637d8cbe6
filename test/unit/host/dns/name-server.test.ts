/** The authoritative name server with independent clients: c-ares (in Node), raw queries. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  type Answer,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  streamDecode,
  streamEncode,
} from 'dns-packet';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { NameServer, ServedZone } from '#host/dns/name-server.ts';
import type { Zone } from '#host/dns/zone-answer.ts';

const MANY = Array.from({ length: 90 }, (_, index) =>
  ipv6(`fd12:3456:789a::${(index + 1).toString(16)}`),
);
const NODES: Readonly<Record<string, { ipv6: readonly IpAddress[]; ipv4: readonly IpAddress[] }>> =
  {
    'a.nodes.example': { ipv6: [ipv6('fd12:3456:789a::1')], ipv4: [ipv4('198.18.0.1')] },
    'six.nodes.example': { ipv6: [ipv6('fd12:3456:789a::6')], ipv4: [] },
    'many.nodes.example': { ipv6: MANY, ipv4: [] },
  };
const ZONE: Zone = {
  ...{ name: 'nodes.example', servers: ['dc1.example', 'dc2.example'], timeToLiveSeconds: 30 },
  addressesOf: (name) => NODES[name],
};

/** No host of the tests: the name server limits what it sends there. */
const CLIENT = '192.0.2.1';
let server: NameServer;
let resolver: Resolver;

beforeAll(async () => {
  server = await NameServer.open({
    addresses: [ipv4('127.0.0.1'), ipv6('::1')],
    port: 0,
    zone: ZONE,
  });
  resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
});
afterAll(async () => await server[Symbol.asyncDispose]());

describe('c-ares at the name server', () => {
  it('gets the addresses of a node in any letter case', async () => {
    expect(await resolver.resolve6('a.nodes.example')).toEqual(['fd12:3456:789a::1']);
    expect(await resolver.resolve4('A.Nodes.Example', { ttl: true })).toEqual([
      { address: '198.18.0.1', ttl: 30 },
    ]);
  });

  it('gets NS and SOA records at the zone apex', async () => {
    expect(await resolver.resolveNs('nodes.example')).toEqual(['dc1.example', 'dc2.example']);
    expect(await resolver.resolveSoa('nodes.example')).toMatchObject({
      nsname: 'dc1.example',
      minttl: 30,
    });
  });

  it.each([
    ['a name that no node has', 'b.nodes.example', 'ENOTFOUND'],
    ['a name of another zone', 'a.other.example', 'EREFUSED'],
    ['a name that only ends alike', 'anodes.example', 'EREFUSED'],
    ['a family that a node has not', 'six.nodes.example', 'ENODATA'],
  ])('gets the response code for %s', async (_what, name, code) => {
    await expect(resolver.resolve4(name)).rejects.toMatchObject({ code });
  });

  it('repeats a truncated answer’s query over TCP and gets all of it', async () => {
    expect(await resolver.resolve6('many.nodes.example')).toHaveLength(90);
  });

  it('gets answers over IPv6', async () => {
    const six = new Resolver({ timeout: 2000, tries: 1 });
    six.setServers([`[::1]:${server.port}`]);
    expect(await six.resolve6('a.nodes.example')).toEqual(['fd12:3456:789a::1']);
  });
});

function query(packet: Partial<Packet>): Packet {
  const questions = [{ type: 'AAAA', name: 'a.nodes.example', class: 'IN' } as const];
  return { type: 'query', id: 7, flags: RECURSION_DESIRED, questions, ...packet };
}

function answerOf(packet: Packet) {
  const octets = new ServedZone(ZONE).answer(encode(packet), CLIENT);
  return octets === undefined ? undefined : decode(Buffer.from(octets));
}

function edns(udpPayloadSize: number, ednsVersion = 0): Answer {
  const rest = { extendedRcode: 0, flags: 0, flag_do: false, options: [] };
  return { type: 'OPT', name: '.', udpPayloadSize, ednsVersion, ...rest };
}

describe('an answer of the name server', () => {
  it('sets AA, clears RA, and adds an OPT record only after EDNS', () => {
    expect(answerOf(query({}))).toMatchObject({
      flag_aa: true,
      flag_ra: false,
      flag_rd: true,
      rcode: 'NOERROR',
      additionals: [],
    });
  });

  it.each([
    ['without EDNS', [], 512],
    ['with 1232 octets', [edns(1232)], 1232],
    ['with more than anybody should ask for', [edns(65_535)], 1232],
    ['with less than there always is', [edns(100)], 512],
  ] as const)('fits the client %s, or is cut', (_what, additionals, limit) => {
    const questions = [{ type: 'AAAA', name: 'many.nodes.example', class: 'IN' } as const];
    const octets = new ServedZone(ZONE).answer(
      encode(query({ questions, additionals: [...additionals] })),
      CLIENT,
    );
    expect(octets?.length).toBeLessThanOrEqual(limit);
    expect(decode(Buffer.from(octets ?? [])).flag_tc).toBe(true);
  });

  it('carries BADVERS for another EDNS version', () => {
    const answer = answerOf(query({ additionals: [edns(1232, 1)] }));
    expect(answer?.additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1 });
    expect(answer?.answers).toEqual([]);
  });

  it.each([
    [
      'two questions',
      query({ questions: [...(query({}).questions ?? []), ...(query({}).questions ?? [])] }),
      1,
    ],
    ['no question', query({ questions: [] }), 1],
    [
      'another class',
      query({ questions: [{ type: 'A', name: 'a.nodes.example', class: 'CH' }] }),
      5,
    ],
    ['another operation', query({ flags: 0x2800 }), 4],
  ])('carries the error code for %s', (_what, packet, rcode) => {
    expect((answerOf(packet)?.flags ?? 0) & 15).toBe(rcode);
  });

  it('does not exist for a response', () => {
    expect(
      new ServedZone(ZONE).answer(encode({ ...query({}), type: 'response' }), CLIENT),
    ).toBeUndefined();
  });

  it('never throws, for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (octets) => {
        const answer = new ServedZone(ZONE).answer(octets, CLIENT);
        expect(answer === undefined || answer.length >= 12).toBe(true);
      }),
    );
  });
});

describe('the sockets of the name server', () => {
  it('answer several queries of one TCP connection, split at any octet', async () => {
    const connection = connect(server.port, '127.0.0.1');
    const stream = Buffer.concat([streamEncode(query({ id: 1 })), streamEncode(query({ id: 2 }))]);
    for (const octet of stream) connection.write(Uint8Array.of(octet));
    let received = Buffer.alloc(0);
    const first = 2 + (new ServedZone(ZONE).answer(encode(query({ id: 1 })))?.length ?? 0);
    while (received.length < 2 * first)
      received = Buffer.concat([received, (await once(connection, 'data'))[0]]);
    connection.destroy();
    expect(
      [received.subarray(0, first), received.subarray(first)].map((part) => streamDecode(part).id),
    ).toEqual([1, 2]);
  });

  it('close a connection whose client reads no answers', async () => {
    const connection = connect(server.port, '127.0.0.1').pause();
    const closed = new Promise((resolve) => connection.on('error', () => {}).on('close', resolve));
    const question = [{ type: 'AAAA', name: 'many.nodes.example', class: 'IN' } as const];
    const flood = Buffer.concat(
      Array.from({ length: 100 }, () => streamEncode(query({ questions: question }))),
    );
    // Ninety addresses each: more than any socket's buffers hold.
    for (let sent = 0; sent < 100 && !connection.destroyed; sent += 1) {
      await new Promise<void>((resolve) => connection.write(flood, () => resolve()));
    }
    connection.resume();
    await closed;
  });

  it('stay silent for octets that are no query', async () => {
    const socket = createSocket('udp4');
    const heard: Buffer[] = [];
    socket.on('message', (message) => heard.push(message));
    socket.send(encode({ ...query({}), type: 'response' }), server.port, '127.0.0.1');
    socket.send(encode(query({ id: 9 })), server.port, '127.0.0.1');
    await once(socket, 'message');
    socket.close();
    expect(heard.map((message) => decode(message).id)).toEqual([9]);
  });

  it('close with open connections, and can be opened again at once', async () => {
    const other = await NameServer.open({ addresses: [ipv4('127.0.0.1')], port: 0, zone: ZONE });
    const connection = connect(other.port, '127.0.0.1');
    await once(connection, 'connect');
    const closed = once(connection, 'close');
    await other[Symbol.asyncDispose]();
    await closed;
    const again = await NameServer.open({
      addresses: [ipv4('127.0.0.1')],
      port: other.port,
      zone: ZONE,
    });
    await again[Symbol.asyncDispose]();
  });

  it('name the address that is not available', async () => {
    await expect(
      NameServer.open({ addresses: [ipv4('127.0.0.1')], port: server.port, zone: ZONE }),
    ).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});
