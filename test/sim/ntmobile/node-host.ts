/**
 * Nodes of the simulated internet: the real engine, and a data plane in a few lines. No RFC: a
 * simulation.
 */
import { type IpAddress, ipv4, isIpv6 } from '#base/ip.ts';
import { earliest, type Monotonic, NEVER, wall } from '#base/time.ts';
import {
  type CredentialContents,
  makeCredential,
  nodeIdOf,
  virtualIpv6Of,
} from '#crypto/node-credential.ts';
import { type KeyPair, keyPairOf, type SigningKey } from '#crypto/primitives.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes } from '#engine/contract/engine.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import { createNtmobileNode, type NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import { SpiFilter } from '#test/sim/sealed/spi-filter.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import type { AccessPoint, Host, Internet, WireDatagram } from './internet.ts';
import { NodeTraffic } from './node-traffic.ts';
import { isSealed, open, seal } from './sealed-text.ts';
import {
  AUTHORITY,
  COORDINATOR_ENDPOINTS,
  COORDINATOR_KEY,
  GENERAL_PREFIXES,
  OFFSET_MS,
  PORT,
  pathOf,
  RELAY_KEY,
  SYSTEM_PREFIX,
  sendAll,
  VIRTUAL_IPV4,
  ZONE,
} from './system.ts';

const CREDENTIAL_SECONDS = 86_400n;

let nodes = 0;

/**
 * A node: the real engine, and the decisions of a plane that matter here: the tunnel of a packet,
 * and whether the other end accepts it.
 */
export class NodeHost implements Host {
  readonly name: string;
  readonly virtualIpv6: IpAddress;
  readonly virtualIpv4: IpAddress;
  engine: Engine<NtmobileNodeInput> & { readonly counters: Counters };
  readonly answers = new Map<number, NameAnswer>();
  /** Payloads that arrived through tunnels. */
  readonly received: string[] = [];
  readonly events: EngineEvent[] = [];
  readonly #internet: Internet;
  readonly #spis = new SpiFilter();
  readonly #parts = new Map<string, DesiredPart>();
  readonly #authority: SigningKey;
  readonly #contents: Omit<CredentialContents, 'notBefore' | 'notAfter'>;
  readonly #own: KeyPair;
  readonly #random: RandomBytes;
  /** The account server refuses another credential. */
  disabled = false;
  #traffic = new NodeTraffic();
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
          peerNetworks: [],
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

  /** The daemon was killed and restarted: it kept only its key. */
  restart(accessPoints: readonly AccessPoint[]): void {
    this.engine = this.#makeEngine();
    this.#parts.clear();
    this.#traffic = new NodeTraffic();
    this.#begin();
    this.move(accessPoints);
  }

  deadline(): Monotonic {
    return earliest(this.engine.deadline(), this.#traffic.deadline(this.#internet.now));
  }
  tick(now: Monotonic): void {
    const traffic = this.#traffic.due(now);
    if (traffic !== undefined) this.#step(now, traffic);
    if (this.engine.deadline() <= now) this.#step(now, { kind: 'tick' });
  }

  /** Attaches to these access points by one interface; the carrier was down for a moment. */
  move(accessPoints: readonly AccessPoint[]): void {
    this.#internet.attach(this, accessPoints);
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
      addresses: accessPoints.map(({ address }) => ({
        ...{
          address,
          prefixLength: isIpv6(address) ? 64 : 24,
          tentative: false,
          duplicate: false,
          deprecated: false,
        },
        ...{ validUntil: NEVER, epoch },
      })),
      routers: accessPoints.map(({ address }) => ({
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

  /** Asks the stub resolver. Returns the id of the answer. */
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

  /** An application sends. Returns whether there was a tunnel with keys. */
  sendData(to: IpAddress, text: string): boolean {
    const tunnel = this.tunnelTo(to);
    const keys = this.#sealingKeys().find((one) => one.tunnel === tunnel?.id);
    if (tunnel === undefined || keys?.send === undefined) return false;
    const { local, localPort, remote, remotePort, relayIndex = 0 } = tunnel.path;
    const octets = seal(keys.send, {
      to,
      source: isIpv6(to) ? this.virtualIpv6 : this.virtualIpv4,
      text,
    });
    const datagram = {
      from: { address: local, port: localPort },
      to: { address: remote, port: remotePort },
    };
    this.#internet.send(this, { ...datagram, relayIndex, octets });
    this.#traffic.count(tunnel.id, 1, 0);
    return true;
  }

  /** The SPI that seals data to that address now. */
  sealsUnder(to: IpAddress): number | undefined {
    const tunnel = this.tunnelTo(to)?.id;
    return this.#sealingKeys().find((one) => one.tunnel === tunnel)?.send?.spi;
  }

  /** Whether data under this SPI would be decrypted now. */
  opens(spi: number): boolean {
    return this.#sealingKeys().some(({ receive }) => receive.some((key) => key.spi === spi));
  }

  #sealingKeys() {
    return [...this.#parts.values()].flatMap(
      ({ sealingKeys: registrationKeys = [] }) => registrationKeys,
    );
  }

  receive(now: Monotonic, datagram: WireDatagram): void {
    if (!isSealed(datagram.octets)) {
      if (!this.#spis.passes(datagram.octets)) return;
      this.#step(now, { kind: 'datagram', path: pathOf(datagram), packet: datagram.octets });
      return;
    }
    const opened = open(datagram.octets, this.#sealingKeys());
    if (opened === undefined) return;
    const { to, source, text } = opened.inner;
    if (to !== this.virtualIpv6 && to !== this.virtualIpv4) return;
    const tunnel = this.tunnelTo(source);
    if (tunnel?.id !== opened.tunnel) return;
    this.received.push(text);
    this.#traffic.count(tunnel.id, 0, 1);
    const { from, relayIndex } = datagram;
    if (
      tunnel.path.remote === from.address &&
      tunnel.path.remotePort === from.port &&
      (tunnel.path.relayIndex ?? 0) === relayIndex
    )
      return;
    const { local, localPort, remote, remotePort } = pathOf(datagram);
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
    this.#spis.learn(out);
    for (const output of out) {
      if (output.kind === 'event') {
        expectSound(output.event);
        this.events.push(output.event);
      }
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
        ...{ systemPrefix: SYSTEM_PREFIX, generalPrefixes: GENERAL_PREFIXES, zone: ZONE },
        relayKeys: [RELAY_KEY.publicKey],
      },
    });
  }
}
