import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Answer, decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { createResolver, hostAddresses, parseNameServer } from '#host/dns/resolver.ts';

type Respond = (query: Packet, reply: (packet: object) => void) => void;
const open: (Socket | Server)[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** A name server on loopback that answers with `respond`. */
async function serve(respond: Respond): Promise<{ address: string; port: number }> {
  const socket = createSocket('udp4');
  open.push(socket);
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const query = decode(bytes);
    respond(query, (packet) => {
      const reply = {
        type: 'response' as const,
        id: query.id ?? 0,
        questions: query.questions ?? [],
        ...packet,
      };
      socket.send(encode(reply), from.port, from.address);
    });
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: '127.0.0.1', port: socket.address().port };
}

function recordsOf(query: Packet): Answer[] {
  const { name = '', type } = query.questions?.[0] ?? {};
  return type === 'AAAA'
    ? [{ type: 'AAAA', name, data: '2001:db8::1', ttl: 60 }]
    : [{ type: 'A', name, data: '192.0.2.1', ttl: 60 }];
}

describe('the resolver, a name', () => {
  it('resolves to the addresses of both families', async () => {
    const server = await serve((query, reply) => reply({ answers: recordsOf(query) }));
    const resolver = createResolver({ servers: [server] });
    expect(await resolver.resolve('ha.example')).toEqual({
      addresses: ['2001:db8::1', '192.0.2.1'],
      timeToLiveSeconds: 60,
    });
  });

  it('needs no query if it is an address', async () => {
    const resolver = createResolver({ servers: [] });
    expect(await resolver.resolve('2001:DB8::7')).toEqual({ addresses: ['2001:db8::7'] });
  });

  it('resolves through aliases; records of other names are ignored', async () => {
    const server = await serve((query, reply) => {
      if (query.questions?.[0]?.type !== 'A') return reply({ answers: [] });
      reply({
        answers: [
          { type: 'CNAME', name: 'HA.example', data: 'real.example', ttl: 30 },
          { type: 'A', name: 'real.example', data: '192.0.2.7', ttl: 60 },
          { type: 'A', name: 'other.example', data: '203.0.113.9', ttl: 60 },
        ],
      });
    });
    const resolver = createResolver({ servers: [server] });
    expect(await resolver.resolve('ha.example')).toEqual({
      addresses: ['192.0.2.7'],
      timeToLiveSeconds: 30,
    });
  });

  it('fails at once if it does not exist', async () => {
    let asked = 0;
    const server = await serve((_query, reply) => {
      asked++;
      reply({ flags: 3 });
    });
    const resolver = createResolver({ servers: [server] });
    expect(await resolver.resolve('gone.example')).toEqual({
      addresses: [],
      failure: 'NXDOMAIN',
      noSuchName: true,
    });
    expect(asked).toBe(2);
  });

  it('counts as missing without addresses, but not if a server fails', async () => {
    const empty = createResolver({
      servers: [await serve((_query, reply) => reply({ answers: [] }))],
    });
    expect(await empty.resolve('bare.example')).toEqual({
      addresses: [],
      failure: 'no address',
      noSuchName: true,
    });
    const failing = createResolver({
      servers: [await serve((_query, reply) => reply({ flags: 2 }))],
    });
    expect(await failing.resolve('broken.example')).toEqual({ addresses: [], failure: 'SERVFAIL' });
  });
});

describe('the resolver, a server', () => {
  it('leads to a query to the next one if it is silent', async () => {
    const silent = await serve(() => {});
    const server = await serve((query, reply) => reply({ answers: recordsOf(query) }));
    const resolver = createResolver({ servers: [silent, server], timeoutMs: 50 });
    expect((await resolver.resolve('ha.example')).addresses).toHaveLength(2);
  });

  it('does not delay the answer if it is silent: the next one is queried in parallel', async () => {
    const silent = await serve(() => {});
    const server = await serve((query, reply) => reply({ answers: recordsOf(query) }));
    const resolver = createResolver({
      servers: [silent, server],
      timeoutMs: 60_000,
      staggerMs: 20,
    });
    expect((await resolver.resolve('ha.example')).addresses).toHaveLength(2);
  });

  it('receives a retransmission of a lost query', async () => {
    let asked = 0;
    const slow = await serve((query, reply) => {
      if (++asked > 2) reply({ answers: recordsOf(query) });
    });
    const resolver = createResolver({
      servers: [slow],
      timeoutMs: 60_000,
      staggerMs: 20,
      rounds: 2,
    });
    expect((await resolver.resolve('ha.example')).addresses).toHaveLength(2);
    expect(asked).toBe(4);
  });

  it('results in a failure, not a rejection, if its port is closed', async () => {
    const resolver = createResolver({
      servers: [{ address: '127.0.0.1', port: 1 }],
      timeoutMs: 500,
      rounds: 1,
    });
    expect(await resolver.resolve('ha.example')).toMatchObject({
      addresses: [],
      failure: expect.any(String),
    });
  });

  it('cannot be impersonated with a wrong id, a wrong question or garbage', async () => {
    const server = await serve((query, reply) => {
      const forged: Answer[] = [{ type: 'A', name: 'ha.example', data: '203.0.113.66', ttl: 60 }];
      reply({ id: ((query.id ?? 0) + 1) & 0xffff, answers: forged });
      reply({ questions: [{ type: 'A', name: 'evil.example' }], answers: forged });
      reply({ type: 'query', answers: forged });
      reply({ answers: recordsOf(query) });
    });
    const resolver = createResolver({ servers: [server] });
    expect(await resolver.resolve('ha.example')).toEqual({
      addresses: ['2001:db8::1', '192.0.2.1'],
      timeToLiveSeconds: 60,
    });
  });

  it('gets the query over TCP after a truncated answer', async () => {
    const udp = await serve((_query, reply) => reply({ flags: 0x0200 }));
    const tcp = createServer((connection) => {
      connection.on('data', (bytes) => {
        if (typeof bytes === 'string') return;
        const query = streamDecode(bytes);
        const reply = {
          type: 'response' as const,
          id: query.id ?? 0,
          questions: query.questions ?? [],
        };
        connection.end(streamEncode({ ...reply, answers: recordsOf(query) }));
      });
    });
    open.push(tcp);
    tcp.listen(udp.port, '127.0.0.1');
    await once(tcp, 'listening');
    const resolver = createResolver({ servers: [udp] });
    expect(await resolver.resolve('ha.example')).toEqual({
      addresses: ['2001:db8::1', '192.0.2.1'],
      timeToLiveSeconds: 60,
    });
  });
});

describe('source addresses of the resolver', () => {
  it('leave out loopback, link-local addresses, the tunnel and networks behind it', () => {
    const names = Object.keys(networkInterfaces());
    const all = hostAddresses(['no-such-device']);
    expect(all.filter((address) => /^(127\.|::1$|fe80:)/.test(address))).toEqual([]);
    for (const name of names) {
      const own = (networkInterfaces()[name] ?? []).map(({ address }) => address);
      expect(hostAddresses([name]).filter((address) => own.includes(address))).toEqual([]);
    }
    expect(hostAddresses(names)).toEqual([]);
  });

  it('do not apply to a server on this host', async () => {
    const server = await serve((query, reply) => reply({ answers: recordsOf(query) }));
    const sources = () => [ipv4('203.0.113.9')];
    const resolver = createResolver({
      servers: [server],
      sources,
      timeoutMs: 60_000,
      staggerMs: 60_000,
    });
    expect((await resolver.resolve('ha.example')).addresses).toHaveLength(2);
  });
});

describe('a configured server', () => {
  it.each([
    ['192.0.2.53', { address: '192.0.2.53', port: 53 }],
    ['2001:db8::53', { address: '2001:db8::53', port: 53 }],
    ['192.0.2.53:5353', { address: '192.0.2.53', port: 5353 }],
    ['[2001:db8::53]:5353', { address: '2001:db8::53', port: 5353 }],
    ['ns.example', undefined],
    ['192.0.2.53:99999', undefined],
  ])('%s', (text, expected) => {
    expect(parseNameServer(text)).toEqual(expected);
  });
});
