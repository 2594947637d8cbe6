/**
 * Tunnels to relays that connect a node to general nodes, and the relay of each general node.
 *
 * No RFC: docs/reference/ntmobile.md §10
 *
 * A general node stays behind the same relay as long as that relay answers: the relay's address is
 * the outside address of its connections.
 */

import { type IpAddress, isIpv6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { sealedTunnelPart } from '#engine/ntmobile/common/sealed-tunnel.ts';
import type { PathReport } from './path-report.ts';
import type { RelayLink } from './relay-link.ts';
import type { TunnelIds } from './tunnel-ids.ts';

interface GeneralContext {
  readonly tunnelIds: TunnelIds;
  readonly report: PathReport;
  linkMtu(remote: IpAddress): number;
  /**
   * The direction of the name must be requested again; `retrySoon`: it may be available at once.
   */
  nameLost(step: Step, name: string, retrySoon: boolean): void;
}

interface GeneralTunnel {
  readonly relay: RelayLink;
  readonly tunnel: number;
  /** Virtual addresses of general nodes, by name. */
  readonly addresses: Map<string, readonly IpAddress[]>;
  /** It had keys before: a new session means that the relay was restarted or unreachable. */
  wasEstablished: boolean;
}

/** What each tunnel carried since the sample before. */
type TunnelSamples = ReadonlyMap<number, TrafficSample>;

export class GeneralTunnels {
  readonly #context: GeneralContext;
  /** By the relay's public key. */
  readonly #byRelay = new Map<string, GeneralTunnel>();

  constructor(context: GeneralContext) {
    this.#context = context;
  }

  /** A direction names a relay for a general node. */
  assign(
    step: Step,
    relay: RelayLink,
    node: { readonly name: string; readonly addresses: readonly IpAddress[] },
  ): void {
    const previous = this.#tunnelOf(node.name);
    const keepRelay =
      previous !== undefined && previous.relay !== relay && udpPathOf(previous) !== undefined;
    if (previous !== undefined && previous.relay !== relay && !keepRelay) {
      previous.addresses.delete(node.name);
      this.updateDesired(step, previous.relay);
    }
    const general = keepRelay ? previous : this.#tunnelTo(relay);
    general.addresses.set(node.name, node.addresses);
    general.relay.open(step);
    this.updateDesired(step, general.relay);
  }

  #tunnelTo(relay: RelayLink): GeneralTunnel {
    const known = this.#byRelay.get(relay.id);
    if (known !== undefined) return known;
    const general = {
      relay,
      tunnel: this.#context.tunnelIds.allocate(),
      addresses: new Map(),
      wasEstablished: false,
    };
    this.#byRelay.set(relay.id, general);
    return general;
  }

  #tunnelOf(name: string): GeneralTunnel | undefined {
    return [...this.#byRelay.values()].find(({ addresses }) => addresses.has(name));
  }

  /** The general node that has a virtual address. */
  holderOf(address: IpAddress): string | undefined {
    for (const { addresses } of this.#byRelay.values())
      for (const [name, given] of addresses) if (given.includes(address)) return name;
    return undefined;
  }

  /** Another general node gets the address of this one. */
  forget(step: Step, name: string): void {
    const general = this.#tunnelOf(name);
    if (general === undefined) return;
    general.addresses.delete(name);
    this.#context.report.ended(step, name);
    this.updateDesired(step, general.relay);
  }

  /** The relay that a general node is behind. */
  relayOf(name: string): RelayLink | undefined {
    return this.#tunnelOf(name)?.relay;
  }

  /** The tunnel to a relay carried data, or did not; says whether the node asks. */
  carried(step: Step, samples: TunnelSamples): boolean {
    let asks = false;
    for (const { relay, tunnel } of this.#byRelay.values()) {
      const sample = samples.get(tunnel);
      if (sample !== undefined && relay.carried(step, sample)) asks = true;
    }
    return asks;
  }

  /** The relay has new keys. A relay with a new session may have lost the node's directions. */
  established(step: Step, relay: RelayLink, newSession: boolean): void {
    const general = this.#byRelay.get(relay.id);
    if (general === undefined) return;
    if (newSession && general.wasEstablished) this.#requestDirections(step, general, true);
    this.updateDesired(step, relay);
  }

  /** The relay does not answer: the coordinator may know another one. */
  unreached(step: Step, relay: RelayLink): void {
    const general = this.#byRelay.get(relay.id);
    if (general === undefined) return;
    this.updateDesired(step, relay);
    this.#requestDirections(step, general, false);
  }

  #requestDirections(step: Step, { addresses }: GeneralTunnel, retrySoon: boolean): void {
    for (const name of addresses.keys()) this.#context.nameLost(step, name, retrySoon);
  }

  moved(step: Step): void {
    for (const { relay } of this.#byRelay.values()) this.updateDesired(step, relay);
  }

  endAll(step: Step): void {
    for (const [id, { addresses }] of this.#byRelay) {
      step.out.push({ kind: 'set-desired', key: keyOf(id), part: undefined });
      for (const name of addresses.keys()) this.#context.report.ended(step, name);
    }
    this.#byRelay.clear();
  }

  /** Sets the tunnel to a relay as it is now. */
  updateDesired(step: Step, { id }: RelayLink): void {
    const general = this.#byRelay.get(id);
    if (general === undefined) return;
    step.out.push({ kind: 'set-desired', key: keyOf(id), part: this.#partOf(general) });
    const udpPath = udpPathOf(general);
    if (udpPath !== undefined) general.wasEstablished = true;
    for (const name of general.addresses.keys())
      this.#context.report.update(step, name, {
        name,
        kind: udpPath === undefined ? 'none' : 'general',
        udpPath,
      });
  }

  #partOf(general: GeneralTunnel): DesiredPart | undefined {
    const { relay, tunnel: id, addresses: byName } = general;
    const udpPath = udpPathOf(general);
    if (relay.session === undefined || udpPath === undefined) return undefined;
    const addresses = [...new Set([...byName.values()].flat())];
    const linkMtu = this.#context.linkMtu(udpPath.remote);
    return sealedTunnelPart({
      id,
      udpPath,
      sessions: [relay.session],
      linkMtu,
      addresses,
      peer: true,
    });
  }

  /** For the operator. */
  list(wallOf: (at: Monotonic) => number): readonly JsonObject[] {
    return [...this.#byRelay.values()].flatMap(({ relay, addresses }) =>
      [...addresses].map(([name, virtual]) => ({
        ...{
          name,
          virtualIpv6: virtual.find(isIpv6),
          virtualIpv4: virtual.find((one) => !isIpv6(one)),
        },
        ...this.#context.report.view(name, wallOf),
        roundTripMs: relay.roundTripMs,
      })),
    );
  }

  tunnels(): readonly JsonObject[] {
    return [...this.#byRelay.values()].flatMap((general) =>
      (this.#partOf(general)?.tunnels ?? []).map((tunnel) => ({
        ...describeTunnel(tunnel),
        peer: `relay ${general.relay.id.slice(0, 16)}`,
      })),
    );
  }
}

function udpPathOf({ relay }: GeneralTunnel): UdpPath | undefined {
  return relay.session?.current === undefined ? undefined : relay.udpPath();
}

function keyOf(relay: string): string {
  return `ntmobile/relay/${relay}`;
}
