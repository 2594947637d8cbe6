/**
 * A correspondent node and hand-made mobile nodes for tests, with real codecs and authenticators.
 * The test moves time.
 */
import { createHmac } from 'node:crypto';
import { expect } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { bytesOfIpv6, type Ipv6Address, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import {
  bindingManagementKey,
  signBindingAuthorization,
  verifyBindingAuthorization,
} from '#crypto/return-routability.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { CorrespondentNodeConfiguration } from '#engine/mobile-ipv6/correspondent-node/configuration.ts';
import { createCorrespondentNode } from '#engine/mobile-ipv6/correspondent-node/correspondent-node.ts';
import type { CorrespondentNodeInput } from '#engine/mobile-ipv6/correspondent-node/input.ts';
import { SeededRandom } from '#test/sim/random.ts';
import { type Ipv6Packet, ipv6Codec, type2RoutingHeader } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import {
  encodeMobility,
  fillMobilityChecksum,
  mobilityChecksumValid,
  mobilityCodec,
  PROTOCOL_MOBILITY,
} from '#wire/mobility/header.ts';
import {
  type BindingUpdateFlags,
  type MobilityMessage,
  type MobilityMessageOf,
  NO_BINDING_UPDATE_FLAGS,
} from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';

export const CORRESPONDENT = ipv6('2001:db8:c::1');
export const OTHER_ADDRESS = ipv6('2001:db8:c::2');
export const HOME = ipv6('2001:db8:1::100');
export const OTHER_HOME = ipv6('2001:db8:1::200');
export const CARE_OF = ipv6('2001:db8:a::7');
export const OTHER_CARE_OF = ipv6('2001:db8:b::7');
const OVER_IPV6: PacketPath = { kind: 'ipv6' };

const AUTHENTICATOR_SIZE = 12;

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== undefined, text);
  return parsed;
}

const CONFIGURATION: CorrespondentNodeConfiguration = {
  addresses: [CORRESPONDENT, OTHER_ADDRESS],
  allowedHomePrefixes: undefined,
  deniedHomePrefixes: [],
  knownHomePrefixes: [],
  maximumBindings: 100,
  maximumLifetimeSeconds: 420,
  packetMtu: 1476,
  mark: 0x4191,
  table: 4193,
  rulePriority: 900,
};

interface Token {
  readonly index: number;
  readonly token: Uint8Array;
}

/** The contents of a Binding Update; members that are left out have a usual value. */
export interface Update {
  readonly sequence: number;
  readonly flags?: Partial<BindingUpdateFlags>;
  readonly lifetimeUnits?: number;
  readonly homeAddress?: Ipv6Address;
  /** The care-of address; the source unless `source` is given, then an alternate. */
  readonly careOf?: Ipv6Address;
  readonly source?: Ipv6Address;
  /** Whether an Alternate Care-of Address option names `careOf`; default: if `source` differs. */
  readonly alternate?: boolean;
  readonly destination?: Ipv6Address;
  /** Default: a Home Address option, unless the source is the home address. */
  readonly homeAddressOption?: boolean;
  readonly home?: Token;
  readonly careOfToken?: Token;
  /** Without nonce indices, or other changes of the options. */
  readonly options?: (usual: readonly MobilityOption[]) => readonly MobilityOption[];
  /** Without Binding Authorization Data. */
  readonly unsigned?: boolean;
  /** Changes the Mobility Header before it is signed. */
  readonly edit?: (header: Uint8Array) => void;
}

export interface Received {
  readonly packet: Ipv6Packet;
  readonly routingHeader: Ipv6Address | undefined;
  readonly message: MobilityMessageOf<'binding-acknowledgement'>;
  /** Verdict on its Binding Authorization Data. */
  readonly authorization: ReturnType<typeof verifyBindingAuthorization>;
}

interface Addresses {
  readonly careOfAddress: Ipv6Address;
  readonly correspondent: Ipv6Address;
  readonly source: Ipv6Address;
  readonly destination: Ipv6Address;
}

/** RFC 6275 §6.2.7, with OpenSSL's hash. */
function resign(header: Uint8Array, key: Uint8Array, addresses: Addresses): void {
  const covered = header.length - AUTHENTICATOR_SIZE;
  header.fill(0, 4, 6);
  const digest = createHmac('sha1', key)
    .update(bytesOfIpv6(addresses.careOfAddress))
    .update(bytesOfIpv6(addresses.correspondent))
    .update(header.subarray(0, covered))
    .digest();
  header.set(digest.subarray(0, AUTHENTICATOR_SIZE), covered);
  fillMobilityChecksum(header, addresses.source, addresses.destination);
}

export class Scene {
  readonly engine: ReturnType<typeof createCorrespondentNode>;
  readonly desired = new Map<string, DesiredPart>();
  configuration: CorrespondentNodeConfiguration;
  sent: { readonly path: PacketPath; readonly packet: Uint8Array }[] = [];
  replies: { readonly ok: boolean; readonly value: JsonValue }[] = [];
  now: Monotonic = monotonic(1_000_000);
  #key: Uint8Array = new Uint8Array();

  constructor(changes: Partial<CorrespondentNodeConfiguration> = {}, seed = 1) {
    const random = new SeededRandom(seed);
    this.configuration = { ...CONFIGURATION, ...changes };
    this.engine = createCorrespondentNode(this.configuration, (count) =>
      Uint8Array.from({ length: count }, () => random.below(256)),
    );
    this.input({ kind: 'clock', offsetMs: 0 });
    this.input({ kind: 'restored' });
  }

  input(input: CorrespondentNodeInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) this.#apply(output);
  }

  reconfigure(changes: Partial<CorrespondentNodeConfiguration>): void {
    this.configuration = { ...this.configuration, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.configuration, out);
    expect(out.filter(({ kind }) => kind === 'send')).toEqual([]);
    for (const output of out) this.#apply(output);
  }

  #apply(output: Output): void {
    if (output.kind === 'send') this.sent.push(output);
    else if (output.kind === 'reply') this.replies.push(output);
    else if (output.kind !== 'set-desired') assert(false, `unexpected output ${output.kind}`);
    else if (output.part === undefined) this.desired.delete(output.key);
    else this.desired.set(output.key, output.part);
  }

  /** Moves time by `milliseconds`, with a tick at each of the engine's deadlines. */
  pass(milliseconds: number): void {
    const end = monotonic(this.now + milliseconds);
    while (this.engine.deadline() <= end) {
      this.now = this.engine.deadline();
      this.input({ kind: 'tick' });
    }
    this.now = end;
  }

  deliver(packet: Uint8Array, path: PacketPath = OVER_IPV6): void {
    this.input({ kind: 'datagram', path, packet });
  }

  /** A message as a mobile node sends it, with a Home Address option if `homeAddress` is given. */
  packet(
    source: Ipv6Address,
    message: MobilityMessage | Uint8Array,
    homeAddress?: Ipv6Address,
    destination = CORRESPONDENT,
  ): Uint8Array {
    const payload =
      message instanceof Uint8Array
        ? message
        : encodeMobility(message, homeAddress ?? source, destination);
    return this.anyPacket(source, destination, PROTOCOL_MOBILITY, payload, homeAddress);
  }

  anyPacket(
    source: Ipv6Address,
    destination: Ipv6Address,
    protocol: number,
    payload: Uint8Array,
    homeAddress?: Ipv6Address,
  ): Uint8Array {
    return encode(ipv6Codec, {
      ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64, source, destination },
      extensions: homeAddress === undefined ? [] : [homeAddressExtension(homeAddress)],
      ...{ protocol, payload },
    });
  }

  /** The only packet that was sent since the last call. */
  answer(): { readonly packet: Ipv6Packet; readonly message: MobilityMessage } {
    assert(this.sent.length === 1, `one packet sent, not ${this.sent.length}`);
    const [only] = this.sent.splice(0);
    assert(only !== undefined && only.path.kind === 'ipv6', 'a packet over IPv6');
    const packet = ipv6Codec.parse(only.packet);
    assert(!isMalformed(packet), 'IPv6');
    const to = type2RoutingHeader(packet) ?? packet.destination;
    expect(mobilityChecksumValid(packet.source, to, packet.payload)).toBe(true);
    const header = mobilityCodec.parse(packet.payload);
    assert(!isMalformed(header), 'Mobility Header');
    return { packet, message: header.message };
  }

  homeToken(homeAddress = HOME, destination = CORRESPONDENT): Token {
    const init = { type: 'home-test-init', homeInitCookie: 7n, options: [] } as const;
    this.deliver(this.packet(homeAddress, init, undefined, destination));
    const { packet, message } = this.answer();
    assert(message.type === 'home-test' && message.homeInitCookie === 7n, 'Home Test');
    expect([packet.source, packet.destination]).toEqual([destination, homeAddress]);
    return { index: message.homeNonceIndex, token: message.homeKeygenToken };
  }

  careOfToken(careOf = CARE_OF, destination = CORRESPONDENT): Token {
    const init = { type: 'care-of-test-init', careOfInitCookie: 9n, options: [] } as const;
    this.deliver(this.packet(careOf, init, undefined, destination));
    const { packet, message } = this.answer();
    assert(message.type === 'care-of-test' && message.careOfInitCookie === 9n, 'Care-of Test');
    expect([packet.source, packet.destination]).toEqual([destination, careOf]);
    return { index: message.careOfNonceIndex, token: message.careOfKeygenToken };
  }

  /** The octets of a Binding Update; tokens that are not given are asked for. */
  build(update: Update): Uint8Array {
    const homeAddress = update.homeAddress ?? HOME;
    const careOf = update.careOf ?? CARE_OF;
    const source = update.source ?? careOf;
    const destination = update.destination ?? CORRESPONDENT;
    const lifetimeUnits = update.lifetimeUnits ?? 100;
    const deletes = lifetimeUnits === 0 || careOf === homeAddress;
    const home = update.home ?? this.homeToken(homeAddress, destination);
    const careOfToken =
      update.careOfToken ?? (deletes ? undefined : this.careOfToken(careOf, destination));
    const usual: readonly MobilityOption[] = [
      {
        type: 'nonce-indices',
        homeNonceIndex: home.index,
        careOfNonceIndex: careOfToken?.index ?? 0,
      },
      ...((update.alternate ?? source !== careOf)
        ? [{ type: 'alternate-care-of-address', address: careOf } as const]
        : []),
    ];
    const message = {
      type: 'binding-update',
      sequence: update.sequence,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, ...update.flags },
      lifetimeUnits,
      options: update.options?.(usual) ?? usual,
    } as const;
    this.#key = bindingManagementKey(home.token, deletes ? undefined : careOfToken?.token);
    const addresses = {
      careOfAddress: deletes ? homeAddress : careOf,
      correspondent: destination,
      source: homeAddress,
      destination,
    };
    const header =
      update.unsigned === true
        ? encodeMobility(message, homeAddress, destination)
        : signBindingAuthorization(message, this.#key, addresses);
    if (update.edit !== undefined) {
      update.edit(header);
      resign(header, this.#key, addresses);
    }
    const optional = update.homeAddressOption ?? source !== homeAddress;
    return this.packet(source, header, optional ? homeAddress : undefined, destination);
  }

  /** Sends a Binding Update and gives the acknowledgement, the only packet in answer. */
  update(update: Update): Received {
    this.deliver(this.build(update));
    return this.acknowledgement(update);
  }

  /** The only packet that was sent, which answers `update`. */
  acknowledgement(update: Update): Received {
    const { packet, message } = this.answer();
    assert(message.type === 'binding-acknowledgement', 'acknowledgement');
    const homeAddress = update.homeAddress ?? HOME;
    const careOf = update.careOf ?? CARE_OF;
    const deletes = update.lifetimeUnits === 0 || careOf === homeAddress;
    const authorization = verifyBindingAuthorization(packet.payload, message, this.#key, {
      careOfAddress: deletes ? homeAddress : careOf,
      correspondent: update.destination ?? CORRESPONDENT,
    });
    return { packet, routingHeader: type2RoutingHeader(packet), message, authorization };
  }

  ask(command: string, parameters = {}): { readonly ok: boolean; readonly value: JsonValue } {
    this.replies = [];
    this.input({ kind: 'request', id: 1, command, parameters });
    const [reply] = this.replies;
    assert(reply !== undefined && this.replies.length === 1, 'one reply');
    return reply;
  }

  /** The care-of address of a home address with a binding. */
  careOfOf(homeAddress = HOME): Ipv6Address | undefined {
    const { value } = this.ask('bindings');
    assert(Array.isArray(value), 'a list');
    const rows: readonly JsonValue[] = value;
    for (const row of rows)
      if (JSON.stringify(row).includes(`"homeAddress":"${homeAddress}"`)) {
        const found = /"careOfAddress":"([^"]+)"/.exec(JSON.stringify(row))?.[1];
        if (found !== undefined) return ipv6(found);
      }
    return undefined;
  }

  counter(reason: string): number {
    return this.engine.counters[reason] ?? Number.NaN;
  }

  /** Everything that an invalid message must not change. */
  snapshot(): unknown {
    return structuredClone({
      desired: [...this.desired],
      bindings: this.ask('bindings').value,
      deadline: this.engine.deadline(),
    });
  }
}
