/**
 * A relay of the simulated internet: the real engine, and a plane and a kernel that follow the
 * engine's desired state. docs/reference/ntmobile.md §6, §7, §9, §10.
 */
import type { IpAddress } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { DesiredRelayLeg } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { credentialVerifierFor } from '#engine/ntmobile/common/credential-verifier.ts';
import { createRelay, type Relay, type RelayInput } from '#engine/ntmobile/relay/relay.ts';
import { SpiFilter } from '#test/sim/sealed/spi-filter.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import { AmplificationLimits } from './amplification-limits.ts';
import type { Host, Internet, WireDatagram } from './internet.ts';
import { type Inner, isSealed, open, seal } from './sealed-text.ts';
import {
  AUTHORITY,
  accessPointsAt,
  COORDINATOR_ENDPOINTS,
  COORDINATOR_KEY,
  OFFSET_MS,
  PORT,
  pathOf,
  prefixOf,
  RELAY_ENDPOINTS,
  RELAY_KEY,
  SYSTEM_PREFIX,
  sendAll,
} from './system.ts';

export class RelayHost implements Host {
  readonly name = 'relay';
  /** Drops everything and sends nothing. */
  down = false;
  /** The content of the name server. */
  readonly names = new Map<string, readonly IpAddress[]>();
  /** Real addresses of all packets that left to servers. */
  readonly reached: IpAddress[] = [];
  readonly #internet: Internet;
  readonly #spis = new SpiFilter();
  readonly #amplificationLimits = new AmplificationLimits();
  readonly #parts = new Map<string, DesiredPart>();
  readonly #stored = new Map<
    string,
    { readonly table: string; readonly key: string; readonly value: JsonValue }
  >();
  /** Connection tracking of the kernel, which survives the daemon. */
  readonly #connections = new Map<string, IpAddress>();
  #starts = 0;
  engine: Relay = this.#createEngine();

  constructor(internet: Internet) {
    this.#internet = internet;
    internet.attach(this, accessPointsAt(RELAY_ENDPOINTS));
    this.#start(internet.now);
  }

  #createEngine(): Relay {
    this.#starts += 1;
    return createRelay(
      {
        ...{
          own: RELAY_KEY,
          port: PORT,
          endpoints: RELAY_ENDPOINTS.map((address) => ({ address, port: PORT })),
        },
        verifyCredential: credentialVerifierFor([AUTHORITY.publicKey]),
        coordinators: [
          {
            ...{ name: 'dc', publicKey: COORDINATOR_KEY.publicKey },
            endpoints: COORDINATOR_ENDPOINTS.map((address) => ({ address, port: PORT })),
          },
        ],
        ...{
          lifetimeSeconds: 600,
          maximumLegs: 1000,
          maximumLegsOfNode: 100,
          handshakesPerSecond: 1000,
        },
        ...{ systemPrefix: SYSTEM_PREFIX, virtualIpv4Prefixes: [prefixOf('198.18.0.0/15')] },
        generalIpv4Prefix: prefixOf('198.19.0.0/16'),
        ...{
          translatorIpv4Prefix: prefixOf('100.127.0.0/16'),
          deniedDestinations: [],
          allowedDestinations: [],
          nat64Prefixes: [],
        },
        ...{ maximumGeneralNodes: 1000, maximumGeneralNodesOfNode: 100, maximumResolutions: 100 },
        forwarding: 'by-interface',
      },
      randomOf(7 + this.#starts),
    );
  }

  #start(now: Monotonic): void {
    this.#step(now, { kind: 'clock', offsetMs: OFFSET_MS });
    for (const record of [...this.#stored.values()]) this.#step(now, { kind: 'record', ...record });
    this.#step(now, { kind: 'restored' });
  }

  /** Starts a new process with the former one's store. */
  restart(stored = true): void {
    if (!stored) this.#stored.clear();
    this.down = false;
    this.#amplificationLimits.keep([]);
    this.#parts.clear();
    this.engine = this.#createEngine();
    this.#start(this.#internet.now);
  }

  deadline(): Monotonic {
    return this.down ? NEVER : this.engine.deadline();
  }

  tick(now: Monotonic): void {
    this.#step(now, { kind: 'tick' });
  }

  receive(now: Monotonic, datagram: WireDatagram): void {
    if (this.down) return;
    if (datagram.relayIndex !== 0) this.#forward(datagram);
    else if (isSealed(datagram.octets)) this.#open(now, datagram);
    else if (this.#spis.passes(datagram.octets))
      this.#step(now, { kind: 'datagram', path: pathOf(datagram), packet: datagram.octets });
  }

  #forward({ from, relayIndex, octets }: WireDatagram): void {
    const leg = this.#leg(relayIndex);
    if (leg === undefined || leg.path.remote !== from.address || leg.path.remotePort !== from.port)
      return;
    this.#amplificationLimits.countReceived(leg.path, octets.length);
    const other = this.#leg(leg.other);
    if (other === undefined || !this.#amplificationLimits.take(other.path, octets.length)) return;
    const { index, path } = other;
    const { local, remote, remotePort } = path;
    const ends = {
      from: { address: local, port: PORT },
      to: { address: remote, port: remotePort },
    };
    this.#internet.send(this, { ...ends, relayIndex: index, octets });
  }

  #leg(index: number): DesiredRelayLeg | undefined {
    return this.#desired('relayLegs').find((leg) => leg.index === index);
  }

  // --- general nodes ---

  #desired<
    K extends
      | 'relayLegs'
      | 'tunnels'
      | 'sealingKeys'
      | 'planeRoutes'
      | 'translations'
      | 'addressMaps',
  >(kind: K) {
    return [...this.#parts.values()].flatMap(
      (part): readonly NonNullable<DesiredPart[K]>[number][] => part[kind] ?? [],
    );
  }

  #tunnelOf(address: IpAddress): number | undefined {
    return this.#desired('planeRoutes').find(({ prefix }) => prefix.address === address)?.tunnel;
  }

  #open(now: Monotonic, datagram: WireDatagram): void {
    const opened = open(datagram.octets, this.#desired('sealingKeys'));
    if (opened === undefined || this.#tunnelOf(opened.inner.source) !== opened.tunnel) return;
    const { relayIndex, ...ends } = pathOf(datagram);
    const tunnel = this.#desired('tunnels').find(({ id }) => id === opened.tunnel);
    const there = tunnel?.path.remote === ends.remote && tunnel.path.remotePort === ends.remotePort;
    if (there) this.#amplificationLimits.countReceived(tunnel.path, datagram.octets.length);
    this.#sendToServer(opened.inner);
    if (there) return;
    this.#step(now, { ...ends, kind: 'roaming', tunnel: opened.tunnel, relayIndex });
  }

  /**
   * Translates between the families where desired, then to the real address; the server echoes the
   * packet.
   */
  #sendToServer(inner: Inner): void {
    const translations = this.#desired('translations');
    const far = translations.find((one) => one.side === 'far' && one.inner === inner.to);
    const near = translations.find((one) => one.side === 'near' && one.inner === inner.source);
    if (far !== undefined && near === undefined) return;
    const [source, to] =
      far === undefined || near === undefined ? [inner.source, inner.to] : [near.outer, far.outer];
    const connection = `${source} ${to} ${inner.text.split(' ')[0]}`;
    const real =
      this.#connections.get(connection) ??
      this.#desired('addressMaps').find(({ virtual }) => virtual === to)?.real;
    if (real === undefined) return;
    this.#connections.set(connection, real);
    this.reached.push(real);
    this.#sendToNode({ source: to, to: source, text: inner.text });
  }

  /**
   * A server sends, with or without a request. `source` is its virtual address, or the translated
   * one of the other family.
   */
  sendFromServer(inner: Inner): void {
    this.#sendToNode(inner);
  }

  #sendToNode(inner: Inner): void {
    const translations = this.#desired('translations');
    const near = translations.find((one) => one.side === 'near' && one.outer === inner.to);
    const far = translations.find((one) => one.side === 'far' && one.outer === inner.source);
    if (near !== undefined && far === undefined) return;
    const [source, to] =
      near === undefined || far === undefined ? [inner.source, inner.to] : [far.inner, near.inner];
    const id = this.#tunnelOf(to);
    const tunnel = this.#desired('tunnels').find((one) => one.id === id);
    const send = this.#desired('sealingKeys').find((one) => one.tunnel === id)?.send;
    if (tunnel === undefined || send === undefined) return;
    const { local, localPort, remote, remotePort } = tunnel.path;
    const datagram = {
      from: { address: local, port: localPort },
      to: { address: remote, port: remotePort },
    };
    const octets = seal(send, { source, to, text: inner.text });
    if (this.#amplificationLimits.take(tunnel.path, octets.length))
      this.#internet.send(this, { ...datagram, relayIndex: 0, octets });
  }

  // --- the engine ---

  #step(now: Monotonic, input: RelayInput): void {
    const out: Output[] = [];
    this.engine.step(now, input, out);
    this.#spis.learn(out);
    for (const output of out) {
      if (output.kind === 'set-desired') this.#setDesired(output.key, output.part);
      else if (output.kind === 'persist') {
        const { table, key, value } = output;
        if (value === undefined) this.#stored.delete(`${table} ${key}`);
        else this.#stored.set(`${table} ${key}`, { table, key, value });
      }
    }
    sendAll(this.#internet, this, out);
    for (const output of out) if (output.kind === 'resolve') this.#resolve(now, output.name);
  }

  #resolve(now: Monotonic, name: string): void {
    const addresses = this.names.get(name);
    if (addresses === undefined)
      this.#step(now, {
        kind: 'resolved',
        name,
        addresses: [],
        failure: 'NXDOMAIN',
        noSuchName: true,
      });
    else this.#step(now, { kind: 'resolved', name, addresses, timeToLiveSeconds: 60 });
  }

  #setDesired(key: string, part: DesiredPart | undefined): void {
    if (part === undefined) this.#parts.delete(key);
    else this.#parts.set(key, part);
    const senders = [...this.#desired('relayLegs'), ...this.#desired('tunnels')];
    this.#amplificationLimits.keep(senders.map(({ path }) => path));
  }
}
