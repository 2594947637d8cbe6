/**
 * Answers of other name servers with addresses that they must not have: through real sockets, with
 * an upstream server that answers anything.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesOfIpv4, bytesOfIpv6, ipv4, ipv6, ipv6FromBytes, parsePrefix } from '#base/ip.ts';
import { Forwarder } from '#host/dns/dns-forwarder.ts';
import { DnsListener } from '#host/dns/dns-listener.ts';
import { type RebindRules, rebindFault } from '#host/dns/rebind-protection.ts';
import { StubResolver } from '#host/dns/stub-resolver.ts';
import { query, rcodeOf } from './dns-peers.ts';

const prefix = (text: string) => parsePrefix(text) ?? expect.fail(text);
const VIRTUAL = [prefix('fd12:3456:789a::/48'), prefix('198.18.0.0/15')];
const [VIRTUAL_IPV6, VIRTUAL_IPV4] = ['fd12:3456:789a::61', '198.18.0.97'];
const STRICT: RebindRules = {
  ...{ refuseLoopback: true, refusePrivate: true },
  exemptDomains: ['intranet.example'],
};
const EMPTY = { answers: [], authorities: [] };

/** The answer of the upstream server, beside id and question. */
let upstreamAnswer: Partial<Packet> | Buffer = {};
let upstream: DnsListener;
let stub: StubResolver;

function reply(octets: Uint8Array): Uint8Array {
  if (Buffer.isBuffer(upstreamAnswer))
    return Buffer.concat([octets.subarray(0, 2), upstreamAnswer]);
  const { id = 0, questions = [] } = decode(Buffer.from(octets));
  return encode({ type: 'response', id, questions, flags: 0x0180, ...upstreamAnswer });
}

beforeEach(async () => {
  const addresses = [ipv4('127.0.0.1')];
  upstream = await DnsListener.open({ addresses, port: 0, answer: reply });
  const forwarder = new Forwarder({
    servers: () => [{ address: '127.0.0.1', port: upstream.port }],
    sources: () => [],
  });
  stub = await StubResolver.open({
    ...{ addresses, port: 0, forwarder, rebind: STRICT, now: () => performance.now() },
    virtualIpv4Prefix: prefix('198.18.0.0/15'),
  });
  stub.onQuery((_name, _unreachable, respond) =>
    respond({ outcome: 'forward', families: [4, 6], virtualPrefixes: VIRTUAL }),
  );
});
afterEach(async () => {
  await stub[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

async function ask(octets: Buffer, answer: typeof upstreamAnswer) {
  upstreamAnswer = answer;
  using socket = { socket: createSocket('udp4'), [Symbol.dispose]: () => socket.socket.close() };
  socket.socket.send(octets, stub.port, '127.0.0.1');
  const [received] = await once(socket.socket, 'message');
  if (!Buffer.isBuffer(received)) throw new Error('no datagram');
  return { ...decode(received), rcode: rcodeOf(received) };
}

const a = (data: string, name = 'host.example'): Answer => ({ type: 'A', name, ttl: 5, data });
const aaaa = (data: string, name = 'host.example'): Answer => ({
  ...{ type: 'AAAA', name, ttl: 5, data },
});

describe('an answer of another name server', () => {
  it.each([
    ['virtual-refused', 'A', a(VIRTUAL_IPV4)],
    ['virtual-refused', 'AAAA', aaaa(VIRTUAL_IPV6)],
    ['virtual-refused', 'AAAA', aaaa(`::ffff:${VIRTUAL_IPV4}`)],
    ['virtual-refused', 'AAAA', aaaa(`64:ff9b::${VIRTUAL_IPV4}`)],
    ['loopback-refused', 'A', a('127.0.0.1')],
    ['loopback-refused', 'A', a('0.0.0.0')],
    ['loopback-refused', 'AAAA', aaaa('::1')],
    ['private-refused', 'A', a('192.168.1.1')],
    ['private-refused', 'A', a('100.64.0.1')],
    ['private-refused', 'A', a('169.254.169.254')],
    ['private-refused', 'AAAA', aaaa('fd00::1')],
  ] as const)(
    'loses its records, counted as %s, with such a record of type %s',
    async (fault, type, bad) => {
      const good = type === 'A' ? a('192.0.2.1') : aaaa('2001:db8::1');
      expect(await ask(query('host.example', type), { answers: [good, bad] })).toMatchObject({
        ...{ rcode: 0, ...EMPTY },
      });
      expect(stub.counters()).toMatchObject({ [fault]: 1, forwarded: 1 });
    },
  );

  it('loses its records when an alias leads to a virtual address', async () => {
    const answers: Answer[] = [
      { type: 'CNAME', name: 'host.example', ttl: 5, data: 'b.nodes.example' },
      a(VIRTUAL_IPV4, 'b.nodes.example'),
    ];
    expect(await ask(query('host.example'), { answers })).toMatchObject(EMPTY);
  });

  it.each([64, 65])(
    'loses its records when one of type %i hints at a virtual address',
    async (type) => {
      const hint = Buffer.from([0, 1, 0, 0, 4, 0, 8, 192, 0, 2, 1, 198, 18, 0, 97]);
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 5, 0, hint.length, ...hint]);
      const question = query('host.example').subarray(12, -4);
      const header = Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
      const asked = Buffer.concat([question, Buffer.from([0, type, 0, 1])]);
      const octets = query('host.example');
      octets.writeUInt16BE(type, octets.length - 4);
      expect(await ask(octets, Buffer.concat([header, asked, record]))).toMatchObject(EMPTY);
      expect(stub.counters()).toMatchObject({ 'virtual-refused': 1 });
    },
  );

  it('keeps its answers and loses the sections in which a virtual address is', async () => {
    const answers: Answer[] = [
      { type: 'MX', name: 'host.example', ttl: 5, data: { preference: 1, exchange: 'm.example' } },
    ];
    const additionals = [a(VIRTUAL_IPV4, 'm.example')];
    const found = await ask(query('host.example', 'MX'), { answers, additionals });
    expect(found).toMatchObject({ answers: [{ type: 'MX' }], additionals: [] });
    expect(stub.counters()).toMatchObject({ 'virtual-refused': 1 });
  });

  it('arrives unchanged without such an address', async () => {
    const answers = [a('192.0.2.1'), a('198.17.255.255'), a('198.20.0.0')];
    expect((await ask(query('host.example'), { answers })).answers).toHaveLength(3);
    expect(stub.counters()).toMatchObject({ 'virtual-refused': 0, 'private-refused': 0 });
  });

  it('becomes a server failure when its records cannot be read', async () => {
    const octets = Buffer.from(encode({ type: 'response', flags: 0x0180, ...EMPTY }).subarray(2));
    const question = query('host.example').subarray(12);
    octets.writeUInt16BE(1, 2);
    octets.writeUInt16BE(1, 4);
    const cut = Buffer.concat([octets, question, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0])]);
    expect(await ask(query('host.example'), cut)).toMatchObject({ rcode: 2 });
  });

  it('sends the client to TCP without any record when it is truncated', async () => {
    const found = await ask(query('host.example'), { flags: 0x0380, answers: [a(VIRTUAL_IPV4)] });
    expect(found).toMatchObject({ flag_tc: true, ...EMPTY });
  });

  it('keeps private and loopback addresses in exempt domains, but never virtual ones', async () => {
    for (const name of ['intranet.example', 'wiki.intranet.example', 'localhost']) {
      for (const data of ['192.168.1.1', '127.0.0.1'])
        expect((await ask(query(name), { answers: [a(data, name)] })).answers).toHaveLength(1);
      expect((await ask(query(name), { answers: [a(VIRTUAL_IPV4, name)] })).answers).toEqual([]);
    }
    const other = { answers: [a('192.168.1.1', 'notintranet.example')] };
    expect((await ask(query('notintranet.example'), other)).answers).toEqual([]);
  });
});

describe('the rules of an operator', () => {
  const LAX = { refuseLoopback: false, refusePrivate: false, exemptDomains: [] };

  it('permit loopback and private addresses, but never virtual ones', () => {
    const fault = (address: string) => rebindFault(LAX, VIRTUAL, 'x.example', ipv4(address));
    expect(['127.0.0.1', '10.0.0.1', VIRTUAL_IPV4].map(fault)).toEqual([
      ...[undefined, undefined, 'virtual-refused'],
    ]);
  });

  it('recognize every virtual IPv4 address in every form of IPv6', () => {
    const forms = ['::ffff:0:0', '::', '64:ff9b::', '64:ff9b:1::', '2001:db8::5efe:0:0'];
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        fc.integer({ min: 0, max: 2 ** 17 - 1 }),
        (form, at) => {
          const octets = Buffer.alloc(4);
          octets.writeUInt32BE(0xc612_0000 + at);
          const address = Buffer.from(ipv6Octets(form));
          octets.copy(address, 12);
          expect(rebindFault(LAX, VIRTUAL, 'x.example', ipv6FromBytes(address))).toBe(
            'virtual-refused',
          );
        },
      ),
    );
    const sixToFour = Buffer.from(ipv6Octets('2002::'));
    sixToFour.set(bytesOfIpv4(ipv4(VIRTUAL_IPV4)), 2);
    expect(rebindFault(LAX, VIRTUAL, 'x.example', ipv6FromBytes(sixToFour))).toBe(
      'virtual-refused',
    );
  });
});

function ipv6Octets(text: string): Uint8Array {
  return Uint8Array.from(bytesOfIpv6(ipv6(text)));
}
