/**
 * A home agent and hand-made mobile nodes for unit tests, with real codecs and MACs. The test moves
 * time.
 */

import { expect } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import type { Prefix } from '#base/ip.ts';
import { type Ipv4Address, type Ipv6Address, ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic, wall } from '#base/time.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import { type Ipv6Packet, ipv6Codec, type2RoutingHeader } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import {
  type BindingUpdateFlags,
  type MobilityMessageOf,
  NO_BINDING_UPDATE_FLAGS,
} from '#wire/mobility/message.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';

export const HOME_AGENT = ipv6('2001:db8:1::1');
export const HOME_AGENT_V4 = ipv4('192.0.2.1');
export const HOME_ADDRESS = ipv6('2001:db8:1::100');
export const SECOND_HOME_ADDRESS = ipv6('2001:db8:1::101');
export const CARE_OF = ipv6('2001:db8:a::7');
export const OTHER_CARE_OF = ipv6('2001:db8:b::7');
const IDENTIFIER = 'alice@example.org';
const EPOCH_MS = 1_700_000_000_000;

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== undefined, text);
  return parsed;
}

export function registrationKey(spi: number, fill = spi): RegistrationKey {
  return { spi, algorithm: 'hmac-sha256-128', key: new Uint8Array(32).fill(fill & 255) };
}

export const ALICE: AuthorizedMobileNode = {
  identifier: IDENTIFIER,
  registrationKeys: [registrationKey(1000)],
  homeAddresses: [HOME_ADDRESS, SECOND_HOME_ADDRESS],
  ipv4HomeAddresses: [ipv4('198.51.100.5')],
  mayUseIpv4Pool: false,
  mobileNetworkPrefixes: [],
};

export const CONFIGURATION: HomeAgentConfiguration = {
  addresses: [HOME_AGENT],
  ipv4Addresses: [HOME_AGENT_V4],
  udpPort: 4191,
  homePrefixes: [prefix('2001:db8:1::/64')],
  ipv4HomePrefixes: [prefix('198.51.100.0/24')],
  ipv4Pool: undefined,
  homeLink: undefined,
  mobileNodes: [ALICE],
  insecure: false,
  maximumLifetimeSeconds: 3600,
  refreshAdvice: 0,
  natKeepaliveSeconds: 110,
  acceptForcedUdp: true,
  timestampWindowMs: 7000,
  maximumBindings: 1000,
  tunnelMtu: { ipip: 1460, udp: 1472 },
};

/** The contents of a Binding Update; members that are left out have a usual value. */
export interface Update {
  readonly sequence: number;
  readonly flags?: Partial<BindingUpdateFlags>;
  readonly lifetimeUnits?: number;
  readonly homeAddress?: Ipv6Address;
  /** The IPv6 source. */
  readonly careOf?: Ipv6Address;
  /** Home address as the source, without Home Address option (at home). */
  readonly atHome?: boolean;
  readonly ipv4CareOf?: Ipv4Address;
  readonly options?: readonly MobilityOption[];
  readonly identifier?: string | undefined;
  readonly registrationKey?: RegistrationKey | undefined;
  readonly timestamp?: bigint | undefined;
  readonly destination?: Ipv6Address;
}

export interface Received {
  readonly path: PacketPath;
  readonly packet: Ipv6Packet;
  readonly routingHeader: Ipv6Address | undefined;
  readonly message: MobilityMessageOf<'binding-acknowledgement'>;
}

export function udpPath(remote: string, remotePort = 4191): PacketPath {
  return { kind: 'udp', local: HOME_AGENT_V4, localPort: 4191, remote: ipv4(remote), remotePort };
}

export const OVER_IPV6: PacketPath = { kind: 'ipv6' };

export class Scene {
  readonly engine: ReturnType<typeof createHomeAgent>;
  configuration: HomeAgentConfiguration;
  /** The engine's desired host state, by key. */
  readonly desired = new Map<string, DesiredPart>();
  /** The store: `table key` → value. */
  readonly store = new Map<string, JsonValue>();
  events: EngineEvent[] = [];
  sent: { readonly path: PacketPath; readonly packet: Uint8Array }[] = [];
  replies: { readonly ok: boolean; readonly value: JsonValue }[] = [];
  now: Monotonic = monotonic(1_000_000);
  #jitter = 0n;
  #offsetMs = EPOCH_MS - 1_000_000;

  constructor(changes: Partial<HomeAgentConfiguration> = {}, former?: Scene) {
    this.configuration = { ...CONFIGURATION, ...changes };
    this.engine = createHomeAgent(this.configuration, (count) => new Uint8Array(count).fill(7));
    if (former !== undefined) {
      this.now = monotonic(former.now);
      this.#jitter = former.#jitter;
      this.#offsetMs = former.#offsetMs;
    }
    this.input({ kind: 'clock', offsetMs: this.#offsetMs });
    for (const [name, value] of former?.store ?? []) {
      const [table = '', key = ''] = name.split(' ');
      this.store.set(name, value);
      this.input({ kind: 'record', table, key, value });
    }
    this.input({ kind: 'restored' });
  }

  input(input: HomeAgentInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) this.#apply(output);
  }

  /** Applies another configuration, and the timers that are due then. */
  reconfigure(changes: Partial<HomeAgentConfiguration>): void {
    this.configuration = { ...this.configuration, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.configuration, out);
    expect(out.filter(({ kind }) => kind === 'send')).toEqual([]);
    for (const output of out) this.#apply(output);
    if (this.engine.deadline() <= this.now) this.input({ kind: 'tick' });
  }

  #apply(output: Output): void {
    switch (output.kind) {
      case 'send':
        this.sent.push(output);
        break;
      case 'set-desired':
        if (output.part === undefined) this.desired.delete(output.key);
        else this.desired.set(output.key, output.part);
        break;
      case 'persist': {
        const name = `${output.table} ${output.key}`;
        if (output.value === undefined) this.store.delete(name);
        else this.store.set(name, JSON.parse(JSON.stringify(output.value)));
        break;
      }
      case 'event':
        expectSound(output.event);
        this.events.push(output.event);
        break;
      case 'reply':
        this.replies.push(output);
        break;
      default:
        assert(false, `unexpected output ${output.kind}`);
    }
  }

  /**
   * Moves time by `milliseconds`, with a tick at each of the engine's deadlines.
   */
  pass(milliseconds: number): void {
    const end = monotonic(this.now + milliseconds);
    while (this.engine.deadline() <= end) {
      this.now = this.engine.deadline();
      this.input({ kind: 'tick' });
    }
    this.now = end;
  }

  /** The wall clock is set; monotonic time goes on. */
  jumpClock(milliseconds: number): void {
    this.#offsetMs += milliseconds;
    this.input({ kind: 'clock', offsetMs: this.#offsetMs });
  }

  /** Restarts at once, with a wall clock that was set by `milliseconds`. */
  restartAt(milliseconds: number): Scene {
    this.#offsetMs += milliseconds;
    return new Scene(this.configuration, this);
  }

  wallNow() {
    return wall(this.#offsetMs + this.now);
  }

  /** A fresh timestamp, each later than the one before. */
  timestamp(skewMs = 0): bigint {
    this.#jitter += 1n;
    return ntpTimestamp(wall(this.wallNow() + skewMs)) + this.#jitter;
  }

  /** The octets of the Binding Update's packet. */
  build(path: PacketPath, update: Update): Uint8Array {
    const homeAddress = update.homeAddress ?? HOME_ADDRESS;
    const inside = path.kind === 'udp' || update.atHome === true;
    const source = inside ? homeAddress : (update.careOf ?? CARE_OF);
    const destination = update.destination ?? HOME_AGENT;
    const identifier = 'identifier' in update ? update.identifier : IDENTIFIER;
    const key = 'registrationKey' in update ? update.registrationKey : registrationKey(1000);
    const timestamp = 'timestamp' in update ? update.timestamp : this.timestamp();
    const options: MobilityOption[] = [...(update.options ?? [])];
    if (update.ipv4CareOf !== undefined)
      options.push({ type: 'ipv4-care-of-address', address: update.ipv4CareOf });
    if (identifier !== undefined) {
      const octets = new TextEncoder().encode(identifier);
      options.push({ type: 'mobile-node-identifier', subtype: 1, identifier: octets });
    }
    if (timestamp !== undefined) options.push({ type: 'replay-protection', timestamp });
    const message = {
      type: 'binding-update',
      sequence: update.sequence,
      flags: {
        ...NO_BINDING_UPDATE_FLAGS,
        acknowledge: true,
        homeRegistration: true,
        ...update.flags,
      },
      lifetimeUnits: update.lifetimeUnits ?? 105,
      options,
    } as const;
    const payload =
      key === undefined
        ? encodeMobility(message, homeAddress, destination)
        : signMobility(message, key, {
            careOfAddress: source,
            homeAddress,
            source: homeAddress,
            destination,
          });
    return this.packet(source, destination, inside ? undefined : homeAddress, payload);
  }

  packet(
    source: Ipv6Address,
    destination: Ipv6Address,
    homeAddress: Ipv6Address | undefined,
    payload: Uint8Array,
    protocol = PROTOCOL_MOBILITY,
  ): Uint8Array {
    return encode(ipv6Codec, {
      trafficClass: 0,
      flowLabel: 0,
      hopLimit: 64,
      source,
      destination,
      extensions: homeAddress === undefined ? [] : [homeAddressExtension(homeAddress)],
      protocol,
      payload,
    });
  }

  deliver(path: PacketPath, packet: Uint8Array): void {
    this.input({ kind: 'datagram', path, packet });
  }

  /** Sends a Binding Update and gives the acknowledgement, the only packet in answer. */
  update(path: PacketPath, update: Update): Received {
    this.sent = [];
    this.deliver(path, this.build(path, update));
    return this.acknowledgement();
  }

  /** The only packet sent, which must be an acknowledgement. */
  acknowledgement(): Received {
    assert(this.sent.length === 1, `one packet sent, not ${this.sent.length}`);
    const [only] = this.sent;
    assert(only !== undefined, 'a packet was sent');
    this.sent = [];
    const packet = ipv6Codec.parse(only.packet);
    assert(!isMalformed(packet), 'IPv6');
    const header = mobilityCodec.parse(packet.payload);
    assert(
      !isMalformed(header) && header.message.type === 'binding-acknowledgement',
      'acknowledgement',
    );
    return {
      path: only.path,
      packet,
      routingHeader: type2RoutingHeader(packet),
      message: header.message,
    };
  }

  ask(command: string, parameters = {}): { readonly ok: boolean; readonly value: JsonValue } {
    this.replies = [];
    this.input({ kind: 'request', id: 1, command, parameters });
    const [reply] = this.replies;
    assert(reply !== undefined && this.replies.length === 1, 'one reply');
    return reply;
  }

  counter(reason: string): number {
    return this.engine.counters[reason] ?? Number.NaN;
  }

  /** Everything that an invalid message must not change. */
  snapshot(): unknown {
    return structuredClone({
      desired: [...this.desired],
      store: [...this.store],
      bindings: this.ask('bindings').value,
      tunnels: this.ask('tunnels').value,
      deadline: this.engine.deadline(),
    });
  }
}

export function optionOf<T extends MobilityOption['type']>(received: Received, type: T) {
  return findOption(received.message.options, type);
}
