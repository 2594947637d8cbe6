/**
 * A simulated internet under virtual time: hosts at addresses, NATs in front of some, the same
 * delay in each direction. No RFC: a simulation.
 */
import { type IpAddress, isIpv6, isUnspecified } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';
import type { Nat } from './nat.ts';

/** A datagram on the wire; `relayIndex` of its envelope, 0 without one. */
export interface WireDatagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly relayIndex: number;
  readonly octets: Uint8Array;
}

export interface Host {
  readonly name: string;
  deadline(): Monotonic;
  tick(now: Monotonic): void;
  receive(now: Monotonic, datagram: WireDatagram): void;
}

/** A host's address, and the NATs in front of it from the inside to the outside. */
export interface AccessPoint {
  readonly address: IpAddress;
  readonly nats: readonly Nat[];
}

export class Internet {
  now = monotonic(5_000_000);
  readonly #hosts: Host[] = [];
  readonly #accessPoints = new Map<Host, readonly AccessPoint[]>();
  #inFlight: { readonly at: Monotonic; readonly deliver: () => void }[] = [];
  readonly #delayMs: number;
  /** Datagrams that reached no host. */
  lost = 0;
  /** Impairment of a datagram: additional delay of each copy that arrives; empty drops it. */
  deliveryDelays: (datagram: WireDatagram) => readonly number[] = () => [0];

  constructor(delayMs = 10) {
    this.#delayMs = delayMs;
  }

  /** Replaces the access points of a host. */
  attach(host: Host, accessPoints: readonly AccessPoint[]): void {
    if (!this.#hosts.includes(host)) this.#hosts.push(host);
    this.#accessPoints.set(host, accessPoints);
  }

  send(host: Host, datagram: WireDatagram): void {
    const { address: requested, port } = datagram.from;
    const accessPoints = this.#accessPoints.get(host) ?? [];
    const accessPoint = accessPoints.find(({ address }) =>
      isUnspecified(requested)
        ? isIpv6(address) === isIpv6(datagram.to.address)
        : address === requested,
    );
    // Like a kernel: nothing leaves from an address that is gone, or in a family without an
    // address.
    if (accessPoint === undefined || isIpv6(accessPoint.address) !== isIpv6(datagram.to.address)) {
      this.lost += 1;
      return;
    }
    const inside: Endpoint = { address: accessPoint.address, port };
    const from = accessPoint.nats.reduce(
      (endpoint, nat) => nat.outward(endpoint, datagram.to),
      inside,
    );
    for (const extraDelayMs of this.deliveryDelays({ ...datagram, from }))
      this.#deliverLater(extraDelayMs, () => this.#arrive({ ...datagram, from }));
  }

  #arrive(datagram: WireDatagram): void {
    for (const [host, accessPoints] of this.#accessPoints) {
      for (const { address, nats } of accessPoints) {
        const outermost = nats.at(-1);
        if ((outermost?.outside ?? address) !== datagram.to.address) continue;
        const to = inwards(datagram, nats);
        // Another host may be behind the same NAT.
        if (to === undefined) continue;
        host.receive(this.now, { ...datagram, to });
        return;
      }
    }
    this.lost += 1;
  }

  #deliverLater(extraDelayMs: number, deliver: () => void): void {
    const at = after(this.now, this.#delayMs + extraDelayMs);
    const late = (this.#inFlight.at(-1)?.at ?? at) > at;
    this.#inFlight.push({ at, deliver });
    if (late) this.#inFlight.sort((one, other) => one.at - other.at);
  }

  /** Runs until `done`, at most for `ms`. Returns whether it was done. */
  pass(ms: number, done: () => boolean = () => false): boolean {
    const until = after(this.now, ms);
    for (;;) {
      if (done()) return true;
      const flight = this.#inFlight[0];
      let due = flight?.at ?? NEVER;
      for (const host of this.#hosts) if (host.deadline() < due) due = host.deadline();
      if (due > until) break;
      if (due > this.now) this.now = due;
      if (flight !== undefined && flight.at <= this.now) {
        this.#inFlight = this.#inFlight.slice(1);
        flight.deliver();
      } else for (const host of this.#hosts) if (host.deadline() <= this.now) host.tick(this.now);
    }
    this.now = until;
    return done();
  }
}

function inwards({ from, to }: WireDatagram, nats: readonly Nat[]): Endpoint | undefined {
  let endpoint: Endpoint | undefined = to;
  for (const nat of [...nats].reverse()) {
    if (endpoint === undefined) return undefined;
    endpoint = nat.inward(from, endpoint.port);
  }
  return endpoint;
}
