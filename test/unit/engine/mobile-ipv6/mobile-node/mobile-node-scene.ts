/**
 * A mobile node under test: networks to attach it to, and a home agent that is the test itself,
 * with real codecs and MACs.
 */
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic, NEVER, wall } from '#base/time.ts';
import { signMobility, verifyMobility } from '#crypto/mobility-auth.ts';
import { mismatchTimestamp } from '#crypto/replay-timestamp.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  createMobileNode,
  type MobileNodeInput,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import {
  encodeMobility,
  mobilityChecksumValid,
  mobilityCodec,
  PROTOCOL_MOBILITY,
} from '#wire/mobility/header.ts';
import {
  type MobilityMessage,
  type MobilityMessageOf,
  NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
} from '#wire/mobility/message.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';
import { type LinkSketch, link } from './network-sketch.ts';

export const HOME_ADDRESS = ipv6('2001:db8:1::10');
export const IPV4_HOME_ADDRESS = ipv4('192.0.2.10');
export const HOME_AGENT = ipv6('2001:db8:1::1');
export const HOME_AGENT_V4 = ipv4('198.51.100.1');
export const REGISTRATION_KEY = {
  spi: 4096,
  algorithm: 'hmac-sha256-128',
  key: Uint8Array.from({ length: 32 }, (_, index) => index + 1),
} as const;
/** 2025-01-01, at monotonic zero. */
export const WALL_OFFSET_MS = 1_735_689_600_000;

export const HOME: HomeConfiguration = {
  name: 'office',
  homeAgent: { addresses: [HOME_AGENT, HOME_AGENT_V4] },
  homeAgentAddress: undefined,
  homeAddress: HOME_ADDRESS,
  homePrefix: parsePrefix('2001:db8:1::/64') ?? { address: HOME_ADDRESS, length: 64 },
  ipv4HomeAddress: IPV4_HOME_ADDRESS,
  ipv4HomeLink: { prefixLength: 24, gateway: ipv4('192.0.2.1') },
  virtualHomeNetwork: false,
  identifier: 'mn@example.org',
  registrationKey: REGISTRATION_KEY,
};

export const CONFIGURATION: MobileNodeConfiguration = {
  homes: [HOME],
  interfaces: [],
  optimistic: true,
  preferIpv4: false,
  failBackSeconds: 60,
  forceUdp: false,
  natKeepaliveSeconds: 110,
  lifetimeSeconds: 600,
  udpPort: 4191,
  mark: 0x534a,
  table: 5000,
  rulePriority: 1000,
  defaultRulePriority: 32_765,
  defaultRoute: true,
  deregisterOnStop: false,
  tunnelMtu: { ipip: 1460, udp: 1472 },
};

/** A Binding Update as the home agent sees it. */
export interface SeenUpdate {
  readonly path: PacketPath;
  readonly packet: Ipv6Packet;
  readonly message: MobilityMessageOf<'binding-update'>;
}

export interface AnswerSketch {
  readonly status?: number;
  readonly lifetimeUnits?: number;
  readonly sequence?: number;
  readonly options?: readonly MobilityOption[];
  /** Wall clock of the home agent in seconds ahead of the node's, for status 144. */
  readonly clockAheadMs?: number;
  readonly timestamp?: bigint | undefined;
  readonly key?: Uint8Array;
  readonly unsigned?: boolean;
  readonly source?: Ipv6Address;
  readonly destination?: Ipv6Address;
  readonly routingHeader?: boolean;
  readonly path?: PacketPath;
  /** R flag; default as in the Binding Update. */
  readonly mobileRouter?: boolean;
}

type CreateNode = (
  configuration: MobileNodeConfiguration,
  random: RandomBytes,
) => ReturnType<typeof createMobileNode>;

export class Scene {
  readonly node;
  now: Monotonic = monotonic(0);
  out: Output[] = [];
  #configuration: MobileNodeConfiguration;

  constructor(
    configuration: Partial<MobileNodeConfiguration> = {},
    records: readonly { readonly key: string; readonly value: JsonValue }[] = [],
    create: CreateNode = createMobileNode,
  ) {
    let counter = 0;
    const random = (count: number) => Uint8Array.from({ length: count }, () => counter++ & 255);
    this.#configuration = { ...CONFIGURATION, ...configuration };
    this.node = create(this.#configuration, random);
    this.give({ kind: 'clock', offsetMs: WALL_OFFSET_MS });
    for (const { key, value } of records)
      this.give({ kind: 'record', table: 'mobile-node', key, value });
    this.give({ kind: 'restored' });
  }

  /** One step; `out` holds its outputs. */
  give(input: MobileNodeInput): readonly Output[] {
    this.out = [];
    this.node.step(this.now, input, this.out);
    return this.out;
  }

  /** Changes the configuration; `out` holds the outputs of the following tick. */
  reconfigure(changes: Partial<MobileNodeConfiguration>): void {
    this.#configuration = { ...this.#configuration, ...changes };
    const out: Output[] = [];
    this.node.reconfigure(this.now, this.#configuration, out);
    assert(out.length === 0, 'reconfiguration sends nothing by itself');
    this.give({ kind: 'tick' });
  }

  network(...links: readonly LinkSketch[]): readonly Output[] {
    return this.give({ kind: 'network', interfaces: links.map(link) });
  }

  /** Advances to the next deadline; gives the milliseconds that passed. */
  wait(): number {
    const at = this.node.deadline();
    assert(at < NEVER, 'some timer is armed');
    const waited = Math.max(0, at - this.now);
    this.now = monotonic(Math.max(at, this.now));
    this.give({ kind: 'tick' });
    return waited;
  }

  /** Advances until a Binding Update is sent; gives the milliseconds that passed. */
  waitForUpdate(): number {
    let waited = 0;
    do {
      assert(waited < 10_000_000, 'a Binding Update is sent');
      waited += this.wait();
    } while (this.updates().length === 0);
    return waited;
  }

  pass(milliseconds: number): void {
    this.now = monotonic(this.now + milliseconds);
  }

  request(command: string, parameters: JsonObject = {}): JsonValue {
    this.give({ kind: 'request', id: 1, command, parameters });
    const reply = this.out.find((output) => output.kind === 'reply');
    assert(reply !== undefined, 'a reply to the request');
    return reply.value;
  }

  /** Binding Updates in the last step's output, checked as a home agent checks them. */
  updates(): readonly SeenUpdate[] {
    return updatesIn(this.out);
  }

  /** The only Binding Update of the last step. */
  update(): SeenUpdate {
    const [update, ...more] = this.updates();
    assert(
      update !== undefined && more.length === 0,
      `one Binding Update, not ${more.length + (update ? 1 : 0)}`,
    );
    return update;
  }

  /** Answers a Binding Update. */
  answer(update: SeenUpdate, sketch: AnswerSketch = {}): readonly Output[] {
    const { path, packet } = acknowledgement(update, sketch, this.now);
    return this.give({ kind: 'datagram', path, packet });
  }

  /** Attaches to the network and registers. */
  registered(...links: readonly LinkSketch[]): SeenUpdate {
    this.network(...links);
    const update = this.update();
    this.pass(5);
    this.answer(update);
    return update;
  }

  desired(key: string): DesiredPart | undefined {
    return this.out.findLast(
      (output) => output.kind === 'set-desired' && output.key === key && output.part !== undefined,
    )?.kind === 'set-desired'
      ? this.out
          .flatMap((output) =>
            output.kind === 'set-desired' && output.key === key ? [output.part] : [],
          )
          .at(-1)
      : undefined;
  }

  event(name: string): EngineEvent['fields'] | undefined {
    for (const output of this.out)
      if (output.kind === 'event' && output.event.name === name) return output.event.fields;
    return undefined;
  }

  record(): JsonValue {
    const persisted = this.out
      .flatMap((output) => (output.kind === 'persist' ? [output.value ?? null] : []))
      .at(-1);
    assert(persisted !== undefined, 'something was persisted');
    return persisted;
  }
}

/** The Binding Updates among the outputs of a step, checked as a home agent checks them. */
export function updatesIn(out: readonly Output[]): readonly SeenUpdate[] {
  return out.flatMap((output) => {
    if (output.kind !== 'send') return [];
    const { path } = output;
    if (path.kind === 'link' && path.protocol === 'arp') return [];
    const packet = ipv6Codec.parse(output.packet);
    assert(!isMalformed(packet), 'well-formed packet');
    if (path.kind === 'link' && packet.protocol !== PROTOCOL_MOBILITY) return [];
    const header = mobilityCodec.parse(packet.payload);
    assert(!isMalformed(header) && header.message.type === 'binding-update', 'a Binding Update');
    assert(mobilityChecksumValid(HOME_ADDRESS, packet.destination, packet.payload), 'checksum');
    const { message } = header;
    if (findOption(message.options, 'authentication') !== undefined) {
      const addresses = { careOfAddress: packet.source, homeAddress: HOME_ADDRESS };
      assert(
        verifyMobility(packet.payload, message, addresses, () => REGISTRATION_KEY) === 'ok',
        'authentic',
      );
    }
    return [{ path: output.path, packet, message }];
  });
}

/** The acknowledgement of a Binding Update and its path. */
export function acknowledgement(
  update: SeenUpdate,
  sketch: AnswerSketch,
  now: Monotonic,
): { readonly path: PacketPath; readonly packet: Uint8Array } {
  const { status = 0 } = sketch;
  const sentTimestamp = findOption(update.message.options, 'replay-protection')?.timestamp;
  const clock = wall(now + WALL_OFFSET_MS + (sketch.clockAheadMs ?? 0));
  const echoed =
    sentTimestamp !== undefined && status === 144 && sketch.clockAheadMs !== undefined
      ? mismatchTimestamp(sentTimestamp, clock)
      : sentTimestamp;
  const timestamp = 'timestamp' in sketch ? sketch.timestamp : echoed;
  const options: MobilityOption[] = [...(sketch.options ?? [])];
  const ipv4Home = findOption(update.message.options, 'ipv4-home-address');
  if (
    ipv4Home !== undefined &&
    status < 128 &&
    !options.some((option) => option.type === 'ipv4-address-acknowledgement')
  ) {
    options.push({
      type: 'ipv4-address-acknowledgement',
      status: 0,
      prefixLength: 32,
      address: ipv4Home.address,
    });
  }
  if (timestamp !== undefined) options.push({ type: 'replay-protection', timestamp });
  const message: MobilityMessage = {
    type: 'binding-acknowledgement',
    status,
    flags: {
      ...NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
      mobileRouter: sketch.mobileRouter ?? update.message.flags.mobileRouter,
    },
    sequence: sketch.sequence ?? update.message.sequence,
    lifetimeUnits: sketch.lifetimeUnits ?? update.message.lifetimeUnits,
    options,
  };
  const source = sketch.source ?? update.packet.destination;
  const destination = sketch.destination ?? update.packet.source;
  const addresses = {
    careOfAddress: destination,
    homeAddress: HOME_ADDRESS,
    source,
    destination: HOME_ADDRESS,
  };
  const routed = sketch.routingHeader ?? update.packet.source !== HOME_ADDRESS;
  const payload = sketch.unsigned
    ? encodeMobility(message, source, routed ? HOME_ADDRESS : destination)
    : signMobility(
        message,
        { ...REGISTRATION_KEY, key: sketch.key ?? REGISTRATION_KEY.key },
        { ...addresses, destination: routed ? HOME_ADDRESS : destination },
      );
  return {
    path: sketch.path ?? update.path,
    packet: packetOf(source, destination, routed, payload),
  };
}

function packetOf(
  source: Ipv6Address,
  destination: Ipv6Address,
  routed: boolean,
  payload: Uint8Array,
): Uint8Array {
  return encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source,
    destination,
    extensions: routed ? [{ type: 'type-2-routing', homeAddress: HOME_ADDRESS }] : [],
    protocol: PROTOCOL_MOBILITY,
    payload,
  });
}

/** Another mobility message from the home agent. */
export function mobilityPacket(
  message: MobilityMessage,
  source: Ipv6Address,
  destination: Ipv6Address,
): Uint8Array {
  return packetOf(source, destination, false, encodeMobility(message, source, destination));
}
