/**
 * Invariants of every registration at a home agent, for any behaviour of the links. They are
 * checked by packets and outputs, not by the engine's state.
 */

import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { Outer } from './data-plane.ts';
import { Violation } from './engine-host.ts';
import type { SentData } from './frame.ts';
import type { HomeAgentHost } from './home-agent-host.ts';
import { look, sourceOf } from './peek.ts';
import type { Schedule } from './schedule.ts';

/** Where a Binding Update came from, as the home agent sees it; the port only of UDP. */
interface Endpoint {
  readonly address: IpAddress | undefined;
  readonly port: number | undefined;
}

interface Requested {
  readonly lifetimeSeconds: number;
  readonly endpoint: Endpoint;
}

interface Granted {
  readonly sequence: number;
  readonly until: number;
  readonly endpoint: Endpoint | undefined;
}

/**
 * A binding may outlive its granted lifetime by this much, because timers have milliseconds.
 */
const GRACE_MS = 1000;
const REMEMBERED = 4096;
/** MIPV6-ID-MISMATCH (RFC 4285 §5.1): the timestamp is outside of the home agent's window. */
const ID_MISMATCH = 144;

export class RegistrationChecks {
  readonly #schedule: Schedule;
  /** `agent homeAddress` → the last acknowledgement with status < 128. */
  readonly #granted = new Map<string, Granted>();
  readonly #requested = new Map<string, Requested>();
  readonly #seen = new Set<string>();
  accepted = 0;
  refused = new Map<number, number>();
  duplicates = 0;
  /** Numbers of forged packets that came from the endpoint of the node whose address they have. */
  readonly inherited = new Set<number>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  watch(agent: HomeAgentHost): void {
    agent.onControl = (path, packet, deliver) => this.#around(agent, path, packet, deliver);
    agent.onSend = (packet) => this.#sent(agent, packet);
    // Data that waited for its tunnel is let in before the acknowledgement is sent.
    agent.onData = (outer, data) =>
      agent.engine.afterStep(() => this.#checkSource(agent, outer, data));
  }

  /**
   * A home agent takes data with a home address from one endpoint only: that of the last Binding
   * Update that it accepted. A tunnel without encryption authenticates no more than that. The
   * next host with the endpoint, because the node left and a DHCP server gave its address away,
   * perhaps with the mapping of a NAT, can send as that node until it registers elsewhere:
   * docs/explain/security.md, shared care-of address.
   */
  #checkSource(agent: HomeAgentHost, outer: Outer, data: SentData): void {
    // Its key authenticates sealed data, which may come from anywhere.
    if (outer.encapsulation === 'sealed' && !data.forged) return;
    const endpoint = this.#granted.get(`${agent.name} ${data.home}`)?.endpoint;
    const udp = outer.encapsulation === 'udp';
    const same =
      endpoint !== undefined &&
      endpoint.address === outer.source &&
      (!udp || endpoint.port === outer.sourcePort);
    if (!same)
      throw new Violation(
        `${agent.name}: took data ${data.number} of ${data.sender} as ${data.source} from ` +
          `${outer.encapsulation} ${outer.source}:${outer.sourcePort}, not from ` +
          `${endpoint?.address}:${endpoint?.port}`,
      );
    if (data.forged) this.inherited.add(data.number);
  }

  /** Checks that no binding outlives its lifetime. Call periodically. */
  checkLifetimes(agents: readonly HomeAgentHost[], homeAddresses: readonly IpAddress[]): void {
    for (const agent of agents) {
      if (!agent.engine.running) continue;
      for (const homeAddress of homeAddresses) {
        const route = agent.tunnels.plane.routeOf(homeAddress);
        if (!agent.serves(homeAddress) || route === undefined) continue;
        // Sealed acknowledgements are not visible here.
        if (agent.tunnels.plane.tunnels.get(route.tunnel)?.protection === 'sealed') continue;
        const granted = this.#granted.get(`${agent.name} ${homeAddress}`);
        if (granted === undefined)
          throw new Violation(
            `${agent.name} routes ${homeAddress}, for which it acknowledged nothing`,
          );
        if (this.#schedule.now > granted.until + GRACE_MS)
          throw new Violation(`binding of ${homeAddress} outlives its lifetime`);
      }
    }
  }

  #around(agent: HomeAgentHost, path: PacketPath, packet: Uint8Array, deliver: () => void): void {
    const seen = look(packet);
    if (seen.kind !== 'binding-update') {
      deliver();
      return;
    }
    if (this.#requested.size > REMEMBERED) this.#requested.clear();
    const { homeAddress, sequence, lifetimeSeconds } = seen;
    const endpoint = endpointOf(path, packet);
    this.#requested.set(`${agent.name} ${homeAddress} ${sequence}`, { lifetimeSeconds, endpoint });
    const key = `${agent.name} ${hex(packet)}`;
    if (!this.#seen.has(key)) {
      if (this.#seen.size > REMEMBERED) this.#seen.clear();
      const mismatches = this.refused.get(ID_MISMATCH);
      deliver();
      // A timestamp ahead of the window is refused, but a later copy may fall into the window.
      if (this.refused.get(ID_MISMATCH) === mismatches) this.#seen.add(key);
      return;
    }
    this.duplicates++;
    const before = this.#state(agent);
    deliver();
    if (this.#state(agent) !== before)
      throw new Violation(`${agent.name}: a replayed Binding Update on ${path.kind} changed state`);
  }

  #state(agent: HomeAgentHost): string {
    return `${agent.tunnels.plane.snapshot()}\n${agent.engine.storeSnapshot()}`;
  }

  #sent(agent: HomeAgentHost, packet: Uint8Array): void {
    const seen = look(packet);
    if (seen.kind !== 'binding-acknowledgement') return;
    if (seen.status >= 128) {
      this.refused.set(seen.status, (this.refused.get(seen.status) ?? 0) + 1);
      return;
    }
    this.accepted++;
    const { homeAddress, sequence, lifetimeSeconds } = seen;
    const requested = this.#requested.get(`${agent.name} ${homeAddress} ${sequence}`);
    if (requested !== undefined && lifetimeSeconds > requested.lifetimeSeconds)
      throw new Violation(`granted ${lifetimeSeconds} s of ${requested.lifetimeSeconds} s`);
    if (lifetimeSeconds > agent.configuration.maximumLifetimeSeconds)
      throw new Violation(`granted ${lifetimeSeconds} s, more than configured`);
    const key = `${agent.name} ${homeAddress}`;
    const last = this.#granted.get(key);
    if (last !== undefined && last.until > this.#schedule.now && !newer(sequence, last.sequence)) {
      throw new Violation(
        `${agent.name}: accepted sequence ${sequence} after ${last.sequence} for ${homeAddress}`,
      );
    }
    const until = this.#schedule.now + lifetimeSeconds * 1000;
    this.#granted.set(key, { sequence, until, endpoint: requested?.endpoint });
  }
}

function endpointOf(path: PacketPath, packet: Uint8Array): Endpoint {
  if (path.kind === 'udp') return { address: path.remote, port: path.remotePort };
  return { address: sourceOf(packet), port: undefined };
}

/** RFC 6275 §9.5.1: greater modulo 2^16, within 32768. */
const newer = (sequence: number, than: number): boolean =>
  sequence !== than && ((sequence - than) & 0xffff) < 32_768;
