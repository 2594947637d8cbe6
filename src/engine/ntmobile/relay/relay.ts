/**
 * The relay engine: joins the two legs of a path between nodes, connects nodes to general nodes,
 * and follows nodes that move.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §7, §9, §10
 */
import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, ResolvedInput } from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import { type RelayConfiguration, withReconfigured } from './configuration.ts';
import { Destinations } from './general/destinations.ts';
import { DirectedNodes } from './general/directed-nodes.ts';
import { GeneralNodes } from './general/general-nodes.ts';
import { RELAY_COUNTERS, type RelayCounter } from './reasons.ts';
import { RelayHost } from './relay-host.ts';
import { RelayPeers } from './relay-peers.ts';
import { Restoration } from './restoration.ts';

export type RelayInput = CommonInput | NetworkInput | ResolvedInput | RoamingInput;

/** Never throws for a peer's fault. `clock` must be the first input. */
export interface Relay extends Engine<RelayInput>, Reconfigurable<RelayConfiguration> {
  readonly counters: Counters;
}

export function createRelay(configuration: RelayConfiguration, random: RandomBytes): Relay {
  return new RelayEngine(configuration, random);
}

class RelayEngine implements Relay {
  #configuration: RelayConfiguration;
  readonly #counters = new CounterSet<RelayCounter>(RELAY_COUNTERS);
  readonly #clock = new WallClock();
  readonly #host: RelayHost;
  readonly #destinations: Destinations;
  readonly #generalNodes = new GeneralNodes();
  readonly #directed: DirectedNodes;
  readonly #peers: RelayPeers;
  readonly #restoration: Restoration;

  constructor(configuration: RelayConfiguration, random: RandomBytes) {
    const { systemPrefix, virtualIpv4Prefixes, translatorIpv4Prefix } = configuration;
    const virtualPrefixes = [systemPrefix, ...virtualIpv4Prefixes, translatorIpv4Prefix];
    const host = new RelayHost(configuration);
    const destinations = new Destinations({ ...configuration, virtualPrefixes });
    const generalNodes = this.#generalNodes;
    const limits = () => this.#configuration;
    const directed = new DirectedNodes({
      ...{ systemPrefix, virtualIpv4Prefixes, translatorIpv4Prefix, generalNodes, limits },
      linkMtu: (local) => host.linkMtu(local),
    });
    const peers = new RelayPeers({
      ...{ configuration, random, host, destinations, directed, generalNodes, limits },
      ...{ counters: this.#counters, clock: this.#clock, load: () => this.#load() },
    });
    const { directions, restartRecovery } = peers;
    this.#configuration = configuration;
    this.#host = host;
    this.#destinations = destinations;
    this.#directed = directed;
    this.#peers = peers;
    this.#restoration = new Restoration({ directions, directed, restartRecovery });
  }

  get counters(): Counters {
    return { ...this.#peers.sessions.counters, ...this.#counters.counters };
  }

  deadline(): Monotonic {
    return this.#peers.deadline();
  }

  /**
   * Applies destinations and limits. Legs and general nodes beyond a new limit stay until they end.
   */
  reconfigure(now: Monotonic, fresh: RelayConfiguration, out: Output[]): void {
    this.#configuration = withReconfigured(this.#configuration, fresh);
    this.#peers.sessions.setHandshakesPerSecond(fresh.handshakesPerSecond);
    this.#destinations.reconfigure(fresh);
    this.#withdraw({ now, out }, (real) => this.#destinations.refuses(real));
  }

  step(now: Monotonic, input: RelayInput, out: Output[]): void {
    const step = { now, out };
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram')
          this.#peers.sessions.receive(step, input.path, input.packet);
        break;
      case 'clock':
        this.#clock.setOffset(input.offsetMs);
        this.#peers.sessions.setClockOffset(input.offsetMs);
        return;
      case 'record':
        this.#restoration.collect(step, input);
        return;
      case 'restored':
        this.#start(step);
        break;
      case 'network':
        this.#setInterfaces(step, input.interfaces);
        break;
      case 'resolved':
        this.#peers.directions.resolved(step, input);
        break;
      case 'roaming':
        this.#dataFromOtherPath(step, input);
        break;
      case 'request':
        this.#handleOperatorCommand(step, input);
        break;
      default:
    }
    this.#peers.tick(step);
  }

  #start(step: Step): void {
    this.#host.setDesiredRoutes(step);
    this.#restoration.finish(step);
    this.#peers.coordinators.start(step);
  }

  #setInterfaces(step: Step, interfaces: readonly NetworkInterface[]): void {
    this.#host.setInterfaces(step, interfaces);
    const own = this.#host.addresses;
    this.#destinations.own = own;
    this.#withdraw(step, (real) => own.has(real));
  }

  #withdraw(step: Step, refuses: (real: IpAddress) => boolean): void {
    this.#peers.directions.withdraw(step, refuses);
  }

  #dataFromOtherPath(step: Step, { kind: _kind, tunnel, ...udpPath }: RoamingInput): void {
    const node = this.#directed.ofTunnel(tunnel)?.attached;
    if (node === undefined || udpPath.relayIndex !== 0) return;
    this.#peers.nodes.dataFromOtherPath(step, node, udpPath);
  }

  /** How full the relay is, in thousandths. */
  #load(): number {
    const { maximumLegs, maximumGeneralNodes } = this.#configuration;
    const legs = this.#peers.legs.size / maximumLegs;
    const generalNodes = this.#generalNodes.size / maximumGeneralNodes;
    return Math.round(1000 * Math.max(legs, generalNodes));
  }

  // --- operator ---

  #handleOperatorCommand(
    { now, out }: Step,
    { id, command }: Extract<CommonInput, { kind: 'request' }>,
  ): void {
    const { nodes, legs, directions } = this.#peers;
    const answers = new Map<string, () => JsonValue>([
      ['status', () => this.#status(now)],
      ['nodes', () => nodes.list()],
      ['legs', () => legs.list()],
      ['general', () => directions.list()],
      ['tunnels', () => this.#directed.list()],
      ['stats', () => ({ ...this.counters })],
    ]);
    const value = answers.get(command)?.();
    const unknown = `unknown command; known: ${[...answers.keys()].join(', ')}`;
    out.push({ kind: 'reply', id, ok: value !== undefined, value: value ?? unknown });
  }

  #status(now: Monotonic): JsonObject {
    const { own, endpoints } = this.#configuration;
    const { coordinators, nodes, legs } = this.#peers;
    return {
      role: 'relay',
      publicKey: `hex:${hex(own.publicKey)}`,
      endpoints: endpoints.map(({ address, port }) => ({ address, port })),
      registrations: coordinators.list(now),
      nodes: nodes.size,
      legs: legs.size,
      generalNodes: this.#generalNodes.size,
      directedNodes: this.#directed.size,
      loadThousandths: this.#load(),
    };
  }
}
