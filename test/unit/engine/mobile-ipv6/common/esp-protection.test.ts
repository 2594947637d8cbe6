/** ESP between an engine and the network: what is protected, refused, counted and stored. */
import { describe, expect, it } from 'vitest';
import { encode, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { monotonic, NEVER } from '#base/time.ts';
import type { EspAlgorithm } from '#crypto/esp.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { EspAssociation, EspEnd } from '#engine/mobile-ipv6/common/esp/association.ts';
import { EspProtection } from '#engine/mobile-ipv6/common/esp/esp-protection.ts';
import { espCodec, PROTOCOL_ESP } from '#wire/ip/esp.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { type Extension, homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { type MobilityMessage, NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const AGENT = ipv6('2001:db8:100::1');
const HOME = ipv6('2001:db8:100::10');
const OTHER_HOME = ipv6('2001:db8:100::11');
const CARE_OF = ipv6('2001:db8:a::5');
const NOW = monotonic(1000);
const OVER_IPV6 = { kind: 'ipv6' } as const;

const UPDATE: MobilityMessage = {
  type: 'binding-update',
  sequence: 7,
  flags: NO_BINDING_UPDATE_FLAGS,
  lifetimeUnits: 10,
  options: [],
};

function association(
  homeAddress = HOME,
  first = 1,
  algorithm: EspAlgorithm = 'aes-gcm-16',
  extendedSequenceNumbers = true,
): EspAssociation {
  const octets = algorithm === 'aes-gcm-16' ? 36 : 32;
  const key = (octet: number) => new Uint8Array(octets).fill(octet);
  return {
    homeAddress,
    algorithm,
    extendedSequenceNumbers,
    toHomeAgent: { spi: 1000 + first, key: key(first) },
    toMobileNode: { spi: 2000 + first, key: key(first + 100) },
  };
}

/** A Binding Update of a home address, as an engine sends it. */
function updateFrom(home: Ipv6Address, message = UPDATE): Uint8Array {
  return encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64 },
    source: CARE_OF,
    destination: AGENT,
    extensions: [homeAddressExtension(home)],
    protocol: PROTOCOL_MOBILITY,
    payload: encodeMobility(message, home, AGENT),
  });
}

function parsed(octets: Uint8Array): Ipv6Packet {
  const packet = ipv6Codec.parse(octets);
  if (isMalformed(packet)) throw new Error(packet.reason);
  return packet;
}

/** An end: an engine that sends what it is told, with ESP around it. */
class End {
  readonly counts: string[] = [];
  readonly received: Extract<CommonInput, { kind: 'datagram' }>[] = [];
  records = new Map<string, JsonValue>();
  toSend: readonly Output[] = [];
  readonly protection: EspProtection;
  readonly #engine: Engine<CommonInput>;

  constructor(
    end: EspEnd,
    associations: readonly EspAssociation[],
    records: ReadonlyMap<string, JsonValue> = new Map(),
    epoch = 5,
  ) {
    this.protection = new EspProtection({
      ...{ end, associations },
      random: (count) => new Uint8Array(count).fill(epoch),
      count: (reason) => this.counts.push(reason),
    });
    this.#engine = this.protection.around<CommonInput>({
      deadline: () => NEVER,
      step: (_now, input, out) => {
        if (input.kind === 'datagram') this.received.push(input);
        out.push(...this.toSend);
      },
    });
    for (const [key, value] of records) this.step({ kind: 'record', table: 'esp', key, value });
    this.records = new Map(records);
    this.step({ kind: 'restored' });
  }

  step(input: CommonInput): readonly Output[] {
    const out: Output[] = [];
    this.#engine.step(NOW, input, out);
    for (const output of out)
      if (output.kind === 'persist') this.records.set(output.key, output.value ?? null);
    return out;
  }

  /** What leaves when the engine sends `packet`. */
  send(packet: Uint8Array, path: PacketPath = OVER_IPV6): readonly Output[] {
    this.toSend = [{ kind: 'send', path, packet }];
    const out = this.step({ kind: 'tick' });
    this.toSend = [];
    return out;
  }

  sent(packet: Uint8Array): Uint8Array {
    const output = this.send(packet).find(({ kind }) => kind === 'send');
    if (output?.kind !== 'send') throw new Error('nothing was sent');
    return output.packet;
  }

  receive(packet: Uint8Array, path: PacketPath = OVER_IPV6): void {
    this.step({ kind: 'datagram', path, packet });
  }
}

const node = (one = association()) => new End('mobile-node', [one]);
const agent = (...all: readonly EspAssociation[]) =>
  new End('home-agent', all.length === 0 ? [association()] : all);
const sequenceOf = (octets: Uint8Array): number => {
  const esp = espCodec.parse(parsed(octets).payload);
  return isMalformed(esp) ? Number.NaN : esp.sequence;
};

describe('a Binding Update', () => {
  it('goes behind the Home Address option into ESP, and comes out unchanged', () => {
    const plain = updateFrom(HOME);
    const sealed = node().sent(plain);
    expect(parsed(sealed)).toMatchObject({
      ...{ source: CARE_OF, destination: AGENT, protocol: PROTOCOL_ESP },
      extensions: parsed(plain).extensions,
    });
    const receiving = agent();
    receiving.receive(sealed);
    expect(receiving.received).toEqual([
      { kind: 'datagram', path: OVER_IPV6, packet: plain, protection: 'esp' },
    ]);
    expect(receiving.counts).toEqual(['esp-received']);
  });

  it('gets protection on every path that carries it', () => {
    const link = {
      kind: 'link',
      device: 'eth0',
      protocol: 'ipv6',
      linkAddress: new Uint8Array(6),
    } as const;
    for (const path of [OVER_IPV6, link, { kind: 'tunnel', tunnel: 3 }] as const) {
      const [, output] = node().send(updateFrom(HOME), path);
      expect(output?.kind === 'send' && parsed(output.packet).protocol).toBe(PROTOCOL_ESP);
    }
  });

  it('stays as it is, both ways, without associations of its home address', () => {
    const plain = updateFrom(OTHER_HOME);
    expect(node().sent(plain)).toEqual(plain);
    const receiving = agent();
    receiving.receive(plain);
    expect(receiving.received).toEqual([{ kind: 'datagram', path: OVER_IPV6, packet: plain }]);
  });

  it('gets dropped and counted when it comes without the ESP of its home address', () => {
    const receiving = agent();
    receiving.receive(updateFrom(HOME));
    expect([receiving.received, receiving.counts]).toEqual([[], ['esp-missing']]);
  });

  it('counts as replayed when it comes again', () => {
    const receiving = agent();
    const sealed = node().sent(updateFrom(HOME));
    receiving.receive(sealed);
    receiving.receive(sealed);
    expect(receiving.received).toHaveLength(1);
    expect(receiving.counts).toEqual(['esp-received', 'esp-replayed']);
  });

  it('gets dropped after any change of its octets', () => {
    const sealed = node().sent(updateFrom(HOME));
    const esp = sealed.length - parsed(sealed).payload.length;
    const receiving = agent();
    for (let at = esp; at < sealed.length; at++) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      receiving.receive(changed);
    }
    expect(receiving.received).toEqual([]);
    expect(new Set(receiving.counts)).toEqual(new Set(['esp-unknown-spi', 'esp-forged']));
    receiving.receive(sealed);
    expect(receiving.received).toHaveLength(1);
  });

  it('gets dropped when the home address beside it is that of another association', () => {
    const both = [association(), association(OTHER_HOME, 2)];
    const sealed = new End('mobile-node', both).sent(updateFrom(HOME));
    const stolen = { ...parsed(sealed), extensions: [homeAddressExtension(OTHER_HOME)] };
    const receiving = agent(...both);
    receiving.receive(encode(ipv6Codec, stolen));
    expect([receiving.received, receiving.counts]).toEqual([[], ['esp-selector-mismatch']]);
  });

  it('remains the only message of its sender that goes into ESP', () => {
    const request: MobilityMessage = { type: 'binding-refresh-request', options: [] };
    const sending = new End('mobile-node', [association()]);
    expect(sending.sent(updateFrom(HOME, request))).toEqual(updateFrom(HOME, request));
    expect(sending.counts).toEqual([]);
  });
});

describe('a Binding Acknowledgement', () => {
  const extensions: readonly Extension[] = [{ type: 'type-2-routing', homeAddress: HOME }];
  const acknowledgement: MobilityMessage = {
    type: 'binding-acknowledgement',
    ...{ status: 0, sequence: 7, lifetimeUnits: 10 },
    flags: { keyManagementMobility: false, mobileRouter: false, proxyRegistration: false },
    options: [],
  };
  const plain = encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64, extensions },
    ...{ source: AGENT, destination: CARE_OF, protocol: PROTOCOL_MOBILITY },
    payload: encodeMobility(acknowledgement, AGENT, HOME),
  });

  it('goes behind the type 2 routing header into ESP, and comes out unchanged', () => {
    const sealed = agent().sent(plain);
    expect(parsed(sealed)).toMatchObject({ protocol: PROTOCOL_ESP, extensions });
    const receiving = node();
    receiving.receive(sealed);
    expect(receiving.received.map(({ packet }) => packet)).toEqual([plain]);
  });

  it('gets dropped and counted when it comes without ESP', () => {
    const receiving = node();
    receiving.receive(plain);
    expect([receiving.received, receiving.counts]).toEqual([[], ['esp-missing']]);
  });

  it('never passes for a Binding Update when it is sent back', () => {
    const sealed = parsed(agent().sent(plain));
    const back = { ...sealed, source: CARE_OF, destination: AGENT };
    const receiving = agent();
    receiving.receive(encode(ipv6Codec, back));
    expect([receiving.received, receiving.counts]).toEqual([[], ['esp-unknown-spi']]);
  });
});

describe('sequence numbers', () => {
  it('reach the store before they are used, and are not used again after a crash', () => {
    const used = new Set<number>();
    let records: ReadonlyMap<string, JsonValue> = new Map();
    for (let run = 0; run < 5; run++) {
      const sending = new End('mobile-node', [association()], records, run);
      for (let count = 0; count < 70; count++) {
        const outputs = sending.send(updateFrom(HOME));
        const [output] = outputs.slice(-1);
        if (output?.kind !== 'send') throw new Error('nothing was sent');
        const number = sequenceOf(output.packet);
        expect(used.has(number)).toBe(false);
        used.add(number);
        const [key] = sending.records.keys();
        expect(output.requires).toEqual({ table: 'esp', key });
        const isStored = outputs.some((one) => one.kind === 'persist' && one.isDurable === true);
        expect(outputs).toHaveLength(isStored ? 2 : 1);
        const [record] = sending.records.values();
        expect(
          Number(Object.entries(record ?? {}).find(([name]) => name === 'sent')?.[1]),
        ).toBeGreaterThanOrEqual(number);
      }
      records = sending.records;
    }
    expect(used.size).toBe(350);
  });

  it('start with another initialization vector after the loss of the store', () => {
    const ivs = [1, 2].map((epoch) => {
      const sealed = new End('mobile-node', [association()], new Map(), epoch).sent(
        updateFrom(HOME),
      );
      return parsed(sealed).payload.slice(8, 16);
    });
    expect(ivs[0]).not.toEqual(ivs[1]);
  });

  it('count as replayed after a restart of the receiver too', () => {
    const sending = node();
    const first = sending.sent(updateFrom(HOME));
    const second = sending.sent(updateFrom(HOME));
    const receiving = agent();
    receiving.receive(second);
    const restarted = new End('home-agent', [association()], receiving.records);
    restarted.receive(first);
    restarted.receive(second);
    expect(restarted.counts).toEqual(['esp-replayed', 'esp-replayed']);
    restarted.receive(sending.sent(updateFrom(HOME)));
    expect(restarted.received).toHaveLength(1);
  });

  it('go on beyond 32 bits when they are extended, and end there when they are not', () => {
    for (const extended of [true, false]) {
      const one = association(HOME, 1, 'null-hmac-sha256-128', extended);
      const [key] = fresh(one);
      const value = { sent: 2 ** 32 - 3, received: 0 };
      const sending = new End('mobile-node', [one], new Map([[key ?? '', value]]));
      const receiving = new End(
        'home-agent',
        [one],
        new Map([[key ?? '', { sent: 0, received: 2 ** 32 - 3 }]]),
      );
      for (let count = 0; count < 4; count++)
        for (const output of sending.send(updateFrom(HOME)))
          if (output.kind === 'send') receiving.receive(output.packet);
      expect(receiving.received).toHaveLength(extended ? 4 : 2);
      expect(sending.counts.filter((reason) => reason === 'esp-exhausted')).toHaveLength(
        extended ? 0 : 2,
      );
    }
  });

  it('stay with their key when the configuration drops it and brings it back', () => {
    const sending = node();
    const first = sequenceOf(sending.sent(updateFrom(HOME)));
    const out: Output[] = [];
    sending.protection.reconfigure({ now: NOW, out }, []);
    expect(sending.sent(updateFrom(HOME))).toEqual(updateFrom(HOME));
    sending.protection.reconfigure({ now: NOW, out }, [association()]);
    expect(sequenceOf(sending.sent(updateFrom(HOME)))).toBeGreaterThan(first);
    expect(out).toContainEqual({
      ...{ kind: 'set-desired', key: 'esp' },
      part: { espSpis: [{ spi: 2001 }] },
    });
  });

  it('stay with a key whose pair gets another key, over a restart', () => {
    const own = association();
    const other = association(HOME, 7);
    const sending = node();
    const receiving = agent();
    const before = sequenceOf(sending.sent(updateFrom(HOME)));
    receiving.receive(sending.sent(updateFrom(HOME)));
    const changed = { ...own, toMobileNode: other.toMobileNode };
    const later = new End('mobile-node', [changed], sending.records);
    const update = later.sent(updateFrom(HOME));
    expect(sequenceOf(update)).toBeGreaterThan(before + 1);
    const restarted = new End('home-agent', [changed], receiving.records);
    restarted.receive(node().sent(updateFrom(HOME)));
    restarted.receive(update);
    expect(restarted.counts).toEqual(['esp-replayed', 'esp-received']);
    const replaced = new End(
      'mobile-node',
      [{ ...own, toHomeAgent: other.toHomeAgent }],
      later.records,
    );
    expect(sequenceOf(replaced.sent(updateFrom(HOME)))).toBe(1);
  });

  /** The key of the record of an association. */
  function fresh(one: EspAssociation): readonly string[] {
    const end = new End('mobile-node', [one]);
    end.sent(updateFrom(HOME));
    return [...end.records.keys()];
  }
});

it('lets malformed records and other tables pass without effect', () => {
  const sending = node();
  for (const value of [null, 5, [], {}, { sent: -1, received: 1 }, { sent: 'a', received: 1 }])
    sending.step({ kind: 'record', table: 'esp', key: 'x', value });
  expect(sequenceOf(sending.sent(updateFrom(HOME)))).toBe(1);
});
