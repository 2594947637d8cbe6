/** A relay with a coordinator and nodes in virtual time. Every datagram takes 10 ms. */
import { type IpAddress, type Prefix, parseIpAddress, parsePrefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { after, type Monotonic, monotonic, NEVER, wall } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type {
  DesiredAddressMap,
  DesiredSealingKeys,
  DesiredTranslation,
} from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { RelayConfiguration } from '#engine/ntmobile/relay/configuration.ts';
import { createRelay, type Relay, type RelayInput } from '#engine/ntmobile/relay/relay.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import { OFFSET_MS, Peer, RELAY, RELAY_ENDPOINT } from './relay-peer.ts';

const SYSTEM_PREFIX = prefixOf('fd12:3456:789a::/48');

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** A running interface with these addresses. */
export function link(name: string, ...addresses: readonly string[]): NetworkInterface {
  return {
    ...{
      index: 2,
      name,
      running: true,
      epoch: 1,
      mtu: 1400,
      linkAddress: new Uint8Array(6),
      routers: [],
    },
    addresses: addresses.map((text) => ({
      ...{
        address: address(text),
        prefixLength: 24,
        tentative: false,
        duplicate: false,
        deprecated: false,
      },
      ...{ validUntil: NEVER, epoch: 1 },
    })),
  };
}

/** The result of the name server; `silent`: no answer. */
export type Resolution = readonly IpAddress[] | 'missing' | 'failing' | 'silent';

export class Scene {
  now = monotonic(5_000_000);
  readonly peers: Peer[] = [];
  /** The desired state by key, in insertion order. */
  readonly parts = new Map<string, DesiredPart>();
  readonly stored = new Map<
    string,
    { readonly table: string; readonly key: string; readonly value: JsonValue }
  >();
  readonly replies: JsonValue[] = [];
  readonly names = new Map<string, Resolution>();
  readonly resolved: string[] = [];
  timeToLiveSeconds = 60;
  /** Datagrams that the relay sent in envelopes of legs. */
  readonly enveloped: {
    readonly to: IpAddress;
    readonly index: number;
    readonly datagram: Uint8Array;
  }[] = [];
  /** The expiry of every credential without an expiry of its own. */
  notAfter = wall(OFFSET_MS * 2);
  readonly #inFlight: { at: Monotonic; deliver: () => void }[] = [];
  #overrides: Partial<RelayConfiguration>;
  readonly coordinator = new Peer(this, 50, undefined);
  engine: Relay;
  #starts = 0;

  constructor(overrides: Partial<RelayConfiguration> = {}) {
    this.#overrides = overrides;
    this.engine = this.#createRelay();
  }

  /** The operator changes the configuration. */
  reconfigure(changes: Partial<RelayConfiguration>): void {
    this.#overrides = { ...this.#overrides, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.#configuration(), out);
    for (const output of out) this.#take(output);
  }

  #createRelay(): Relay {
    this.#starts += 1;
    return createRelay(this.#configuration(), randomOf(4 + this.#starts));
  }

  #configuration(): RelayConfiguration {
    const { publicKey } = this.coordinator.own;
    return {
      ...{
        own: RELAY,
        endpoints: [RELAY_ENDPOINT],
        port: RELAY_ENDPOINT.port,
        lifetimeSeconds: 60,
      },
      verifyCredential: (credential, key) => (credential[4] === 1 ? this.#holder(key) : undefined),
      coordinators: [{ name: 'dc', publicKey, endpoints: [this.coordinator.endpoint] }],
      ...{
        maximumLegs: 4,
        maximumLegsOfNode: 2,
        handshakesPerSecond: 100,
        forwarding: 'everywhere',
      },
      ...{ systemPrefix: SYSTEM_PREFIX, virtualIpv4Prefixes: [prefixOf('198.18.0.0/15')] },
      generalIpv4Prefix: prefixOf('198.19.0.0/16'),
      ...{
        translatorIpv4Prefix: prefixOf('100.127.0.0/16'),
        deniedDestinations: [],
        allowedDestinations: [],
        nat64Prefixes: [],
      },
      ...{
        maximumGeneralNodes: 4,
        maximumGeneralNodesOfNode: 3,
        maximumResolutions: 3,
        ...this.#overrides,
      },
    };
  }

  #holder(publicKey: Uint8Array): CredentialHolder | undefined {
    const peer = this.peers.find(({ own }) => own.publicKey.join() === publicKey.join());
    if (peer === undefined || this.now + OFFSET_MS > this.notAfter) return undefined;
    const { nodeId, virtualIpv6, virtualIpv4, seed, notAfter = this.notAfter } = peer;
    return {
      nodeId,
      virtualIpv6,
      virtualIpv4,
      notAfter,
      name: `n${seed}.nodes.example`,
      groups: [],
    };
  }

  start(): void {
    this.step({ kind: 'clock', offsetMs: OFFSET_MS });
    for (const record of [...this.stored.values()]) this.step({ kind: 'record', ...record });
    this.step({ kind: 'restored' });
    this.pass(200);
  }

  /** The relay is killed, and a new process restores its store. */
  restart(downMs = 0): void {
    this.parts.clear();
    this.#inFlight.length = 0;
    this.pass(downMs, false);
    this.engine = this.#createRelay();
    this.start();
  }

  node(seed: number): Peer {
    const peer = new Peer(this, seed);
    peer.connect();
    return peer;
  }

  step(input: RelayInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) this.#take(output);
  }

  #take(output: Output): void {
    switch (output.kind) {
      case 'send':
        this.#send(output);
        break;
      case 'set-desired':
        if (output.part === undefined) this.parts.delete(output.key);
        else this.parts.set(output.key, output.part);
        break;
      case 'persist': {
        const { table, key, value } = output;
        if (value === undefined) this.stored.delete(`${table} ${key}`);
        else this.stored.set(`${table} ${key}`, { table, key, value });
        break;
      }
      case 'reply':
        this.replies.push(output.value);
        break;
      case 'resolve':
        this.#resolve(output.name);
        break;
      default:
    }
  }

  #send({ path, packet }: Extract<Output, { kind: 'send' }>): void {
    if (path.kind !== 'datagram') return;
    const { remote: to, relayIndex: index } = path;
    if (index !== 0) this.enveloped.push({ to, index, datagram: packet });
    if (index !== 0) return;
    const there = ({ endpoint }: Peer) =>
      endpoint.address === path.remote && endpoint.port === path.remotePort;
    const peer = this.peers.find((one) => there(one) && !one.offline && !one.deaf);
    if (peer !== undefined)
      this.#deliverLater(() =>
        peer.act((step) => peer.sessions.receive(step, peer.udpPath, packet)),
      );
  }

  #resolve(name: string): void {
    this.resolved.push(name);
    const found = this.names.get(name) ?? 'missing';
    if (found === 'silent') return;
    this.#deliverLater(() => this.answerName(name, found));
  }

  answerName(name: string, found: Exclude<Resolution, 'silent'>): void {
    const failed = { kind: 'resolved', name, addresses: [], failure: String(found) } as const;
    if (found === 'missing') this.step({ ...failed, noSuchName: true });
    else if (found === 'failing') this.step(failed);
    else
      this.step({
        kind: 'resolved',
        name,
        addresses: found,
        timeToLiveSeconds: this.timeToLiveSeconds,
      });
  }

  /** The name server answers after `ms`. */
  answerAt(ms: number, name: string, found: Exclude<Resolution, 'silent'>): void {
    this.#inFlight.push({ at: after(this.now, ms), deliver: () => this.answerName(name, found) });
    this.#inFlight.sort((a, b) => a.at - b.at);
  }

  toRelay({ endpoint: { address, port } }: Peer, packet: Uint8Array): void {
    const { address: local, port: localPort } = RELAY_ENDPOINT;
    const path = {
      kind: 'datagram',
      local,
      localPort,
      remote: address,
      remotePort: port,
      relayIndex: 0,
    } as const;
    this.#deliverLater(() => this.step({ kind: 'datagram', path, packet }));
  }

  /** The desired legs, in insertion order. */
  get legs() {
    return [...this.parts.values()].flatMap(({ relayLegs = [] }) =>
      relayLegs.map(({ path: { carrier: _, localPort: __, ...ends }, ...leg }) => ({
        ...leg,
        ...ends,
      })),
    );
  }

  get tunnels() {
    return [...this.parts.values()].flatMap(({ tunnels = [] }) => tunnels.map(describeTunnel));
  }

  get sealingKeys(): readonly DesiredSealingKeys[] {
    return [...this.parts.values()].flatMap(({ sealingKeys = [] }) => sealingKeys);
  }

  get planeRoutes() {
    return [...this.parts.values()].flatMap(({ planeRoutes = [] }) => planeRoutes);
  }

  get translations(): readonly DesiredTranslation[] {
    return [...this.parts.values()].flatMap(({ translations = [] }) => translations);
  }

  /** `virtual real` of each address map. */
  get maps(): readonly string[] {
    const maps: readonly DesiredAddressMap[] = [...this.parts.values()].flatMap(
      ({ addressMaps = [] }) => addressMaps,
    );
    return maps.map(({ virtual, real }) => `${virtual} ${real}`);
  }

  #deliverLater(deliver: () => void): void {
    this.#inFlight.push({ at: after(this.now, 10), deliver });
    this.#inFlight.sort((a, b) => a.at - b.at);
  }

  /** Lets time pass, for the relay only if it is up. */
  pass(ms: number, up = true): void {
    const until = after(this.now, ms);
    for (;;) {
      const flight = this.#inFlight[0];
      const deadlines = this.peers.map(({ sessions }) => sessions.deadline());
      const due = Math.min(flight?.at ?? NEVER, up ? this.engine.deadline() : NEVER, ...deadlines);
      if (due > until) break;
      this.now = monotonic(Math.max(this.now, due));
      if (flight !== undefined && flight.at <= this.now) {
        this.#inFlight.shift();
        if (up) flight.deliver();
      } else if (up && this.engine.deadline() <= this.now) this.step({ kind: 'tick' });
      else
        for (const peer of this.peers)
          if (peer.sessions.deadline() <= this.now) peer.act((step) => peer.sessions.tick(step));
    }
    this.now = until;
  }
}
