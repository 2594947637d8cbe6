/**
 * Hosts of the simulated internet: nodes with their real engine and a data plane in a few lines,
 * and the real direction coordinator.
 */
import { type IpAddress, ipv4, ipv6, isIpv6, type Prefix, parsePrefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, NEVER, wall } from '#base/time.ts';
import {
  type CredentialContents,
  makeCredential,
  nodeIdOf,
  verifyCredential,
  virtualIpv6Of,
} from '#crypto/node-credential.ts';
import { type KeyPair, keyPairOf, type SigningKey, signingKeyOf } from '#crypto/primitives.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { createDirectionCoordinator } from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import { createNtmobileNode, type NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import { randomOf } from '#test/unit/engine/ntmobile/common/sessions-scene.ts';
import type { AccessPoint, Host, Internet, Wire } from './internet.ts';
import { isSealed, open, seal } from './sealed-text.ts';

export const PORT = 7890;
const SECOND_PORT = 7891;
export const OFFSET_MS = 1_800_000_000_000;
export const AUTHORITY = signingKeyOf(new Uint8Array(32).fill(1));
/** The coordinator believes it as well, nodes do not: a coordinator that makes up nodes. */
export const ROGUE_AUTHORITY = signingKeyOf(new Uint8Array(32).fill(4));
const CREDENTIAL_SECONDS = 86_400n;
export const COORDINATOR_KEY = keyPairOf(new Uint8Array(32).fill(2));
export const RELAY_KEY = keyPairOf(new Uint8Array(32).fill(3));
export const SYSTEM_PREFIX = prefixOf('fd12:3456:789a::/48');
const VIRTUAL_IPV4 = prefixOf('198.18.0.0/15');
export const ZONE = 'nodes.example';
export const COORDINATOR_ENDPOINTS: readonly IpAddress[] = [
  ipv4('198.51.100.1'),
  ipv6('2001:db8:1::1'),
];
export const RELAY_ENDPOINTS: readonly IpAddress[] = [ipv4('198.51.100.2'), ipv6('2001:db8:2::1')];

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

export const spotsOf = (addresses: readonly IpAddress[]): readonly AccessPoint[] =>
  addresses.map((address) => ({ address, nats: [] }));

export function sendAll(internet: Internet, host: Host, out: readonly Output[]): void {
  for (const output of out) {
    if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
    const { local, localPort, remote, remotePort, relayIndex } = output.path;
    const wire = {
      from: { address: local, port: localPort },
      to: { address: remote, port: remotePort },
    };
    internet.send(host, { ...wire, relayIndex, octets: output.packet });
  }
}

export function pathOf({ from, to, relayIndex }: Wire) {
  const ends = {
    local: to.address,
    localPort: to.port,
    remote: from.address,
    remotePort: from.port,
    relayIndex,
  };
  return { kind: 'datagram', ...ends } as const;
}

/** The real engine. `down`: it hears nothing and says nothing. */
export class CoordinatorHost implements Host {
  readonly name = 'dc';
  down = false;
  readonly #internet: Internet;
  #engine = this.#make();
  readonly #stored = new Map<string, { table: string; key: string; value: JsonValue }>();

  constructor(internet: Internet) {
    this.#internet = internet;
    internet.attach(this, spotsOf(COORDINATOR_ENDPOINTS));
    this.#step(internet.now, { kind: 'clock', offsetMs: OFFSET_MS });
  }

  #make() {
    return createDirectionCoordinator(
      {
        ...{
          own: COORDINATOR_KEY,
          zone: ZONE,
          secret: new Uint8Array(32).fill(9),
          relayKeys: [RELAY_KEY.publicKey],
        },
        verifyCredential: (credential, publicKey, now) => {
          const judged = verifyCredential(
            credential,
            [AUTHORITY.publicKey, ROGUE_AUTHORITY.publicKey],
            publicKey,
            BigInt(Math.floor(now / 1000)),
          );
          return typeof judged === 'string'
            ? undefined
            : { ...judged, notAfter: wall(Number(judged.notAfter) * 1000) };
        },
        ...{ systemPrefix: SYSTEM_PREFIX, generalIpv4Prefix: prefixOf('198.19.0.0/16') },
        secondEndpoints: COORDINATOR_ENDPOINTS.map((address) => ({ address, port: SECOND_PORT })),
        ...{
          maximumLifetimeSeconds: 600,
          maximumRegistrations: 1000,
          relayRateKilobits: 10_000,
          handshakesPerSecond: 1000,
        },
      },
      randomOf(5),
    );
  }

  /** A new process with what the former one stored. */
  restart(now: Monotonic): void {
    this.#engine = this.#make();
    this.#step(now, { kind: 'clock', offsetMs: OFFSET_MS });
    for (const record of this.#stored.values()) this.#step(now, { kind: 'record', ...record });
    this.#step(now, { kind: 'restored' });
    this.down = false;
  }

  deadline(): Monotonic {
    return this.down ? NEVER : this.#engine.deadline();
  }

  tick(now: Monotonic): void {
    this.#step(now, { kind: 'tick' });
  }

  receive(now: Monotonic, wire: Wire): void {
    if (!this.down) this.#step(now, { kind: 'datagram', path: pathOf(wire), packet: wire.octets });
  }

  #step(now: Monotonic, input: CommonInput): void {
    const out: Output[] = [];
    this.#engine.step(now, input, out);
    sendAll(this.#internet, this, out);
    for (const output of out) {
      if (output.kind !== 'persist') continue;
      const { table, key, value } = output;
      if (value === undefined) this.#stored.delete(`${table} ${key}`);
      else this.#stored.set(`${table} ${key}`, { table, key, value });
    }
  }
}

let nodes = 0;

/**
 * A node: the real engine, and of a data plane what matters here: which tunnel a packet takes, and
 * where it comes out.
 */
export class NodeHost implements Host {
  readonly name: string;
  readonly virtualIpv6: IpAddress;
  readonly virtualIpv4: IpAddress;
  engine: Engine<NtmobileNodeInput> & { readonly counters: Counters };
  readonly answers = new Map<number, NameAnswer>();
  /** Payloads that came through tunnels, with the way that the last of each took. */
  readonly got: string[] = [];
  readonly #internet: Internet;
  readonly #parts = new Map<string, DesiredPart>();
  readonly #authority: SigningKey;
  readonly #contents: Omit<CredentialContents, 'notBefore' | 'notAfter'>;
  readonly #own: KeyPair;
  readonly #random: RandomBytes;
  /** The account server gives it no credential any more. */
  disabled = false;
  #queries = 0;
  #epoch = 0;

  constructor(internet: Internet, name: string, authority = AUTHORITY) {
    nodes += 1;
    const own = keyPairOf(randomOf(1000 + nodes)(32));
    this.#random = randomOf(2000 + nodes);
    this.name = `${name}.${ZONE}`;
    this.#internet = internet;
    this.virtualIpv6 = virtualIpv6Of(SYSTEM_PREFIX, nodeIdOf(own.publicKey));
    const virtualIpv4 = ipv4(`198.18.${nodes >> 8}.${nodes & 255}`);
    this.virtualIpv4 = virtualIpv4;
    this.#authority = authority;
    this.#contents = {
      ...{
        publicKey: own.publicKey,
        virtualIpv6: virtualIpv6Of(SYSTEM_PREFIX, nodeIdOf(own.publicKey)),
      },
      ...{ virtualIpv4, name: this.name, groups: [] },
    };
    this.#own = own;
    this.engine = this.#makeEngine();
    internet.attach(this, []);
    this.#begin();
  }

  #makeEngine() {
    const names = { generalNames: [], unreachableNames: true, table: 7890, rulePriority: 900 };
    return createNtmobileNode(
      {
        ...{
          own: this.#own,
          port: PORT,
          interfaces: [],
          excludedAddresses: [],
          virtualIpv4Prefix: VIRTUAL_IPV4,
        },
        ...names,
      },
      this.#random,
    );
  }

  #begin(): void {
    this.#step(this.#internet.now, { kind: 'clock', offsetMs: OFFSET_MS });
    this.#step(this.#internet.now, { kind: 'restored' });
  }

  /** The daemon died and is started again: it has its key, and remembers nothing else. */
  restart(spots: readonly AccessPoint[]): void {
    this.engine = this.#makeEngine();
    this.#parts.clear();
    this.#begin();
    this.move(spots);
  }

  deadline(): Monotonic {
    return this.engine.deadline();
  }
  tick(now: Monotonic): void {
    this.#step(now, { kind: 'tick' });
  }

  /** Plugged in at these places: one interface, a cable that was out for no time. */
  move(spots: readonly AccessPoint[]): void {
    this.#internet.attach(this, spots);
    this.#epoch += 1;
    const epoch = this.#epoch;
    const link: NetworkInterface = {
      ...{
        index: 2,
        name: 'eth0',
        running: true,
        epoch,
        mtu: 1500,
        linkAddress: new Uint8Array(6),
      },
      addresses: spots.map(({ address }) => ({
        ...{
          address,
          prefixLength: isIpv6(address) ? 64 : 24,
          tentative: false,
          duplicate: false,
          deprecated: false,
        },
        ...{ validUntil: NEVER, epoch },
      })),
      routers: spots.map(({ address }) => ({
        ...{
          family: isIpv6(address) ? (6 as const) : (4 as const),
          gateway: undefined,
          metric: 100,
        },
        ...{ validUntil: NEVER, epoch },
      })),
    };
    this.#step(this.#internet.now, { kind: 'network', interfaces: [link] });
  }

  /** Asks the stub resolver; the number to look its answer up with. */
  query(name: string, unreachable = false): number {
    this.#queries += 1;
    this.#step(this.#internet.now, { kind: 'query', id: this.#queries, name, unreachable });
    return this.#queries;
  }

  tunnelTo(address: IpAddress): DesiredTunnel | undefined {
    for (const { planeRoutes = [], tunnels = [] } of this.#parts.values())
      if (planeRoutes.some(({ prefix }) => prefix.address === address)) return tunnels[0];
    return undefined;
  }

  /** An application sends. Says whether there was a tunnel with keys. */
  say(to: IpAddress, text: string): boolean {
    const tunnel = this.tunnelTo(to);
    const keys = this.#sealingKeys().find((one) => one.tunnel === tunnel?.id);
    if (tunnel === undefined || keys?.send === undefined) return false;
    const { local, localPort, remote, remotePort, relayIndex = 0 } = tunnel.path;
    const octets = seal(keys.send, {
      to,
      source: isIpv6(to) ? this.virtualIpv6 : this.virtualIpv4,
      text,
    });
    const wire = {
      from: { address: local, port: localPort },
      to: { address: remote, port: remotePort },
    };
    this.#internet.send(this, { ...wire, relayIndex, octets });
    return true;
  }

  /** The SPI under which data to that address would be sealed now. */
  sealsUnder(to: IpAddress): number | undefined {
    const tunnel = this.tunnelTo(to)?.id;
    return this.#sealingKeys().find((one) => one.tunnel === tunnel)?.send?.spi;
  }

  /** Whether data that came under this SPI would be opened now. */
  opens(spi: number): boolean {
    return this.#sealingKeys().some(({ receive }) => receive.some((key) => key.spi === spi));
  }

  #sealingKeys() {
    return [...this.#parts.values()].flatMap(
      ({ sealingKeys: registrationKeys = [] }) => registrationKeys,
    );
  }

  receive(now: Monotonic, wire: Wire): void {
    if (!isSealed(wire.octets)) {
      this.#step(now, { kind: 'datagram', path: pathOf(wire), packet: wire.octets });
      return;
    }
    const opened = open(wire.octets, this.#sealingKeys());
    if (opened === undefined) return;
    const { to, source, text } = opened.inner;
    if (to !== this.virtualIpv6 && to !== this.virtualIpv4) return;
    const tunnel = this.tunnelTo(source);
    if (tunnel?.id !== opened.tunnel) return;
    this.got.push(text);
    const { from, relayIndex } = wire;
    if (
      tunnel.path.remote === from.address &&
      tunnel.path.remotePort === from.port &&
      (tunnel.path.relayIndex ?? 0) === relayIndex
    )
      return;
    const { local, localPort, remote, remotePort } = pathOf(wire);
    this.#step(now, {
      kind: 'roaming',
      tunnel: tunnel.id,
      local,
      localPort,
      remote,
      remotePort,
      relayIndex,
    });
  }

  #step(now: Monotonic, input: NtmobileNodeInput): void {
    const out: Output[] = [];
    this.engine.step(now, input, out);
    for (const output of out) {
      if (output.kind === 'event') expectSound(output.event);
      if (output.kind === 'set-desired') {
        if (output.part === undefined) this.#parts.delete(output.key);
        else this.#parts.set(output.key, output.part);
      } else if (output.kind === 'answer') this.answers.set(output.id, output.answer);
    }
    sendAll(this.#internet, this, out);
    if (out.some(({ kind }) => kind === 'login')) this.#logIn(now);
  }

  #logIn(now: Monotonic): void {
    if (this.disabled) {
      const outcome = {
        granted: false,
        reason: 'account-disabled',
        message: 'disabled',
        final: true,
      } as const;
      this.#step(now, { kind: 'logged-in', outcome });
      return;
    }
    const endpoints = COORDINATOR_ENDPOINTS.map((address) => ({ address, port: PORT }));
    const seconds = BigInt(Math.floor((now + OFFSET_MS) / 1000));
    const notAfter = seconds + CREDENTIAL_SECONDS;
    this.#step(now, {
      kind: 'logged-in',
      outcome: {
        ...{ granted: true, renewalToken: 'token', notAfter: wall(Number(notAfter) * 1000) },
        credential: makeCredential(this.#authority, {
          ...this.#contents,
          notBefore: seconds - 60n,
          notAfter,
        }),
        coordinators: [{ name: 'dc', publicKey: COORDINATOR_KEY.publicKey, endpoints }],
        authorities: [AUTHORITY.publicKey, this.#authority.publicKey],
        ...{ systemPrefix: SYSTEM_PREFIX, zone: ZONE },
      },
    });
  }
}
