/**
 * Invariants of every registration at a home agent, for any behaviour of the links. They are
 * checked by packets and outputs, not by the engine's state.
 */

import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { Violation } from './engine-host.ts';
import type { HomeAgentHost } from './home-agent-host.ts';
import { look } from './peek.ts';
import type { Schedule } from './schedule.ts';

interface Granted {
  readonly sequence: number;
  readonly until: number;
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
  readonly #requested = new Map<string, number>();
  readonly #seen = new Set<string>();
  accepted = 0;
  refused = new Map<number, number>();
  duplicates = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  watch(agent: HomeAgentHost): void {
    agent.onControl = (path, packet, deliver) => this.#around(agent, path, packet, deliver);
    agent.onSend = (packet) => this.#sent(agent, packet);
  }

  /** Checks that no binding outlives its lifetime. Call periodically. */
  checkLifetimes(agents: readonly HomeAgentHost[], homeAddresses: readonly IpAddress[]): void {
    for (const agent of agents) {
      if (!agent.engine.running) continue;
      for (const homeAddress of homeAddresses) {
        if (!agent.serves(homeAddress) || agent.tunnels.plane.routeOf(homeAddress) === undefined)
          continue;
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
    this.#requested.set(`${agent.name} ${seen.homeAddress} ${seen.sequence}`, seen.lifetimeSeconds);
    if (this.#requested.size > REMEMBERED) this.#requested.clear();
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
    if (requested !== undefined && lifetimeSeconds > requested)
      throw new Violation(`granted ${lifetimeSeconds} s of ${requested} s`);
    if (lifetimeSeconds > agent.configuration.maximumLifetimeSeconds)
      throw new Violation(`granted ${lifetimeSeconds} s, more than configured`);
    const key = `${agent.name} ${homeAddress}`;
    const last = this.#granted.get(key);
    if (last !== undefined && last.until > this.#schedule.now && !newer(sequence, last.sequence)) {
      throw new Violation(
        `${agent.name}: accepted sequence ${sequence} after ${last.sequence} for ${homeAddress}`,
      );
    }
    this.#granted.set(key, { sequence, until: this.#schedule.now + lifetimeSeconds * 1000 });
  }
}

/** RFC 6275 §9.5.1: greater modulo 2^16, within 32768. */
const newer = (sequence: number, than: number): boolean =>
  sequence !== than && ((sequence - than) & 0xffff) < 32_768;
