/**
 * An internet of datagrams under virtual time: hosts at addresses, translators in front of some,
 * the same delay for each way. No RFC: a simulation.
 */
import { type IpAddress, isIpv6, isUnspecified } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';
import type { Nat } from './nat.ts';

/** A datagram on the wire; `relayIndex` of its envelope, 0 without one. */
export interface Wire {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly relayIndex: number;
  readonly octets: Uint8Array;
}

export interface Host {
  readonly name: string;
  deadline(): Monotonic;
  tick(now: Monotonic): void;
  receive(now: Monotonic, wire: Wire): void;
}

/** Where a host is: its address, and the translators from the inside to the outside. */
export interface AccessPoint {
  readonly address: IpAddress;
  readonly nats: readonly Nat[];
}

export class Internet {
  now = monotonic(5_000_000);
  readonly #hosts: Host[] = [];
  readonly #spots = new Map<Host, readonly AccessPoint[]>();
  #flying: { readonly at: Monotonic; readonly deliver: () => void }[] = [];
  readonly #delayMs: number;
  /** Datagrams that reached nobody. */
  lost = 0;
  /**
   * What happens to a datagram on its way: milliseconds beyond the delay, for each copy that
   * arrives.
   */
  fate: (wire: Wire) => readonly number[] = () => [0];

  constructor(delayMs = 10) {
    this.#delayMs = delayMs;
  }

  /** A host is (now) at these places, and at no other. */
  attach(host: Host, spots: readonly AccessPoint[]): void {
    if (!this.#hosts.includes(host)) this.#hosts.push(host);
    this.#spots.set(host, spots);
  }

  send(host: Host, wire: Wire): void {
    const { address: asked, port } = wire.from;
    const spots = this.#spots.get(host) ?? [];
    const spot = spots.find(({ address }) =>
      isUnspecified(asked) ? isIpv6(address) === isIpv6(wire.to.address) : address === asked,
    );
    // As a kernel: nothing leaves from an address that is gone, or into a family without a way out.
    if (spot === undefined || isIpv6(spot.address) !== isIpv6(wire.to.address)) {
      this.lost += 1;
      return;
    }
    const inside: Endpoint = { address: spot.address, port };
    const from = spot.nats.reduce((endpoint, nat) => nat.outward(endpoint, wire.to), inside);
    for (const moreMs of this.fate({ ...wire, from }))
      this.#later(moreMs, () => this.#arrive({ ...wire, from }));
  }

  #arrive(wire: Wire): void {
    for (const [host, spots] of this.#spots) {
      for (const { address, nats } of spots) {
        const outermost = nats.at(-1);
        if ((outermost?.outside ?? address) !== wire.to.address) continue;
        const to = inwards(wire, nats);
        // Another host may be behind the same translator.
        if (to === undefined) continue;
        host.receive(this.now, { ...wire, to });
        return;
      }
    }
    this.lost += 1;
  }

  #later(moreMs: number, deliver: () => void): void {
    const at = after(this.now, this.#delayMs + moreMs);
    const late = (this.#flying.at(-1)?.at ?? at) > at;
    this.#flying.push({ at, deliver });
    if (late) this.#flying.sort((one, other) => one.at - other.at);
  }

  /** Lets time pass until `done` or for so many milliseconds. Says whether it was done. */
  pass(ms: number, done: () => boolean = () => false): boolean {
    const until = after(this.now, ms);
    for (;;) {
      if (done()) return true;
      const flight = this.#flying[0];
      let due = flight?.at ?? NEVER;
      for (const host of this.#hosts) if (host.deadline() < due) due = host.deadline();
      if (due > until) break;
      if (due > this.now) this.now = due;
      if (flight !== undefined && flight.at <= this.now) {
        this.#flying = this.#flying.slice(1);
        flight.deliver();
      } else for (const host of this.#hosts) if (host.deadline() <= this.now) host.tick(this.now);
    }
    this.now = until;
    return done();
  }
}

function inwards({ from, to }: Wire, nats: readonly Nat[]): Endpoint | undefined {
  let endpoint: Endpoint | undefined = to;
  for (const nat of [...nats].reverse()) {
    if (endpoint === undefined) return undefined;
    endpoint = nat.inward(from, endpoint.port);
  }
  return endpoint;
}
