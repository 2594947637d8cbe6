/**
 * Control messages: their entries in `sojourn trace`, their counters, and their cost without
 * followers.
 */
import { describe, expect, it } from 'vitest';
import { encode, fromHex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { messageKind } from '#daemon/messages/message-kind.ts';
import { MessageWatch } from '#daemon/messages/message-watch.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';

const CARE_OF = ipv6('2001:db8:a::10');
const HOME_AGENT = ipv6('2001:db8:1::1');
const HOME = ipv6('2001:db8:1::10');
const OVER_IPV6: PacketPath = { kind: 'ipv6' };
const SEALED: PacketPath = {
  ...{
    kind: 'datagram',
    local: ipv4('192.0.2.1'),
    localPort: 7890,
    remote: ipv4('198.51.100.9'),
    remotePort: 40_000,
  },
  relayIndex: 0,
};

function bindingUpdate(): Uint8Array {
  const flags = { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true };
  const message = {
    type: 'binding-update',
    sequence: 7,
    flags,
    lifetimeUnits: 150,
    options: [],
  } as const;
  return encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64, source: CARE_OF, destination: HOME_AGENT },
    extensions: [homeAddressExtension(HOME)],
    protocol: PROTOCOL_MOBILITY,
    payload: encodeMobility(message, HOME, HOME_AGENT),
  });
}

const REGISTRATION: NtmobileMessage = {
  ...{ type: 'registration-response', answer: true, status: 3, transaction: 9 },
  options: [
    { type: 'lifetime', seconds: 600 },
    { type: 'token-key', key: fromHex('a5'.repeat(32)) },
    { type: 'relay-token', token: fromHex('5a'.repeat(40)) },
    { type: 'name', name: 'a.nodes.example' },
    { type: 'observed-endpoint', endpoint: { address: ipv6('2001:db8::7'), port: 7890 } },
  ],
};

/** An engine that counts and answers each datagram. */
function echo() {
  const counters: Record<string, number> = { 'authentication-failed': 0, idle: 0 };
  let copies = 0;
  return {
    get counters() {
      copies += 1;
      return counters;
    },
    get asked() {
      return copies;
    },
    deadline: () => NEVER,
    step(_now: Monotonic, input: CommonInput, out: Output[]): void {
      if (input.kind !== 'datagram') return;
      counters['authentication-failed'] = (counters['authentication-failed'] ?? 0) + 1;
      if (input.path.kind === 'datagram') {
        const way = { ...input.path };
        out.push({ kind: 'message', direction: 'in', udpPath: way, message: REGISTRATION });
        out.push({
          kind: 'message',
          direction: 'out',
          udpPath: way,
          message: { ...REGISTRATION, type: 'keep-alive' },
        });
      }
      out.push({ kind: 'send', path: input.path, packet: input.packet });
    },
  };
}

function play(path: PacketPath, packet: Uint8Array, listen: boolean) {
  const watch = new MessageWatch();
  const entries: JsonObject[] = [];
  const unfollow = listen ? watch.follow((entry) => entries.push(entry)) : () => {};
  const engine = echo();
  const both = withMessageWatch(engine, watch);
  const out: Output[] = [];
  both.step(monotonic(0), { kind: 'clock', offsetMs: Date.UTC(2026, 0, 1) }, out);
  both.step(monotonic(5), { kind: 'datagram', path, packet }, out);
  unfollow();
  both.step(monotonic(6), { kind: 'datagram', path, packet }, out);
  return { watch, entries, engine, out };
}

describe('a Binding Update', () => {
  it('shows addresses, home, content and changed counters', () => {
    const { entries } = play(OVER_IPV6, bindingUpdate(), true);
    expect(entries).toEqual([
      {
        ...{
          at: '2026-01-01T00:00:00.005Z',
          direction: 'in',
          protocol: 'mobile-ipv6',
          message: 'binding-update',
        },
        ...{ transport: 'ipv6', from: CARE_OF, to: HOME_AGENT },
        summary:
          `home ${HOME} binding-update sequence 7 lifetime 600 s acknowledge ` + 'homeRegistration',
        counted: ['authentication-failed'],
      },
      expect.objectContaining({ direction: 'out', from: CARE_OF, to: HOME_AGENT }),
    ]);
  });

  it('only increments its counter without followers', () => {
    const { watch, engine } = play(OVER_IPV6, bindingUpdate(), false);
    expect(watch.counted()).toEqual([
      { protocol: 'mobile-ipv6', message: 'binding-update', direction: 'in', count: 2 },
      { protocol: 'mobile-ipv6', message: 'binding-update', direction: 'out', count: 2 },
    ]);
    expect(engine.asked).toBe(0);
  });
});

describe('a sealed message', () => {
  it('shows the content that the engine opened, without tokens and keys', () => {
    const { entries } = play(SEALED, fromHex('90000007'), true);
    const [received, sent] = entries;
    expect(received).toMatchObject({
      ...{
        direction: 'in',
        protocol: 'ntmobile',
        message: 'registration-response',
        transport: 'datagram',
      },
      ...{ from: '198.51.100.9:40000', to: '192.0.2.1:7890' },
      summary:
        'registration-response status 3 not-registered transaction 9 lifetime(600 s) ' +
        'token-key relay-token ' +
        'name(a.nodes.example) observed-endpoint([2001:db8::7]:7890)',
    });
    expect(sent).toMatchObject({
      direction: 'out',
      message: 'keep-alive',
      to: '198.51.100.9:40000',
    });
    expect(JSON.stringify(entries)).not.toMatch(/a5a5|5a5a|165,165/);
  });
});

describe('the kind of a message', () => {
  const kind = (path: PacketPath, hexadecimal: string) =>
    messageKind(path, fromHex(hexadecimal), undefined).message;
  const link = (protocol: 'arp' | 'ipv6'): PacketPath => ({
    kind: 'link',
    device: 'eth0',
    protocol,
    linkAddress: new Uint8Array(6),
  });
  const ipv6Header = (next: string) => `6000000000${'08'}${next}ff${'00'.repeat(32)}`;

  it('looks behind extension headers', () => {
    expect(
      kind(OVER_IPV6, `${ipv6Header('3c')}8700010400000000${'3b000500000000000000000000000000'}`),
    ).toBe('binding-update');
    expect(kind(OVER_IPV6, `${ipv6Header('87')}3b00ff0000000000`)).toBe('unknown');
    expect(kind(OVER_IPV6, `${ipv6Header('3a')}8600000000000000`)).toBe('router-advertisement');
    expect(kind(OVER_IPV6, `${ipv6Header('11')}8600000000000000`)).toBe('other');
  });

  it('covers link frames and datagrams', () => {
    expect(kind(link('arp'), '00010800060400020000')).toBe('arp-reply');
    expect(kind(link('ipv6'), `${ipv6Header('3a')}8700000000000000`)).toBe(
      'neighbour-solicitation',
    );
    expect(['90', 'a0', 'b0', 'c0', '00'].map((first) => kind(SEALED, `${first}000000`))).toEqual([
      ...['control-unread', 'initiation', 'response', 'cookie-reply', 'unknown'],
    ]);
  });

  it('takes few values for arbitrary octets', () => {
    let seed = 1;
    const next = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed;
    };
    for (let round = 0; round < 20_000; round++) {
      const octets = Uint8Array.from({ length: next() % 90 }, () => next() & 255);
      for (const path of [OVER_IPV6, SEALED, link('arp'), link('ipv6')]) {
        expect(messageKind(path, octets, undefined).message).toMatch(/^[a-z-]+$/);
      }
    }
  });
});
