/**
 * One host's data plane between links and inner packets: encapsulation, decapsulation, and holding
 * packets that arrive before their tunnel.
 */
import type { DesiredPart, DesiredTunnel } from '#engine/contract/desired-state.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { DataPlane, keyOfOuter, type Outer, type PlaneSide } from './data-plane.ts';
import type { Frame, SentData } from './frame.ts';
import type { Schedule } from './schedule.ts';

/** The same as `PlaneOptions.holdMs`. */
const HOLD_MS = 50;
const HELD_AT_MOST = 64;

interface Held {
  readonly frame: Frame;
  readonly data: SentData;
  readonly until: number;
}

export function encapsulate(
  { path, protection }: DesiredTunnel,
  inner: { readonly data: SentData; readonly key?: string } | { readonly control: Uint8Array },
): Frame {
  return {
    encapsulation: encapsulationOf(path.carrier, protection),
    source: path.local,
    sourcePort: path.localPort,
    destination: path.remote,
    destinationPort: path.remotePort,
    ...inner,
  };
}

export function outerOf(frame: Frame): Outer {
  return {
    encapsulation: frame.encapsulation === 'none' ? 'ipip' : frame.encapsulation,
    source: frame.source,
    sourcePort: frame.sourcePort,
    destination: frame.destination,
    destinationPort: frame.destinationPort,
    ...(frame.key === undefined ? {} : { key: frame.key }),
  };
}

/** The path of a datagram at the sealed port. */
export function sealedPath({
  source,
  sourcePort,
  destination,
  destinationPort,
}: Frame): PacketPath {
  return {
    ...{ kind: 'datagram', local: destination, localPort: destinationPort },
    ...{ remote: source, remotePort: sourcePort, relayIndex: 0 },
  };
}

export class TunnelEnd {
  plane: DataPlane;
  readonly #side: PlaneSide;
  readonly #schedule: Schedule;
  readonly #accept: (data: SentData, outer: Outer) => void;
  /** Called with data that has no tunnel; it may be held too. */
  readonly #unknown: (outer: Outer, data: SentData) => void;
  #held: Held[] = [];

  constructor(
    side: PlaneSide,
    schedule: Schedule,
    accept: (data: SentData, outer: Outer) => void,
    unknown: (outer: Outer, data: SentData) => void = () => {},
  ) {
    this.#unknown = unknown;
    this.#side = side;
    this.#schedule = schedule;
    this.#accept = accept;
    this.plane = new DataPlane(side);
  }

  get held(): number {
    return this.#held.length;
  }

  /** The data plane ends with its daemon. */
  clear(): void {
    this.plane = new DataPlane(this.#side);
    this.#held = [];
  }

  setDesired(key: string, part: DesiredPart | undefined): void {
    this.plane.setDesired(key, part);
    if (this.#held.length === 0) return;
    const waiting = this.#held;
    this.#held = [];
    for (const held of waiting)
      if (held.until >= this.#schedule.now) this.receive(held.frame, held.data, held.until);
  }

  /** A tunnelled data packet from a link. */
  receive(frame: Frame, data: SentData, until: number = this.#schedule.now + HOLD_MS): void {
    const outer = outerOf(frame);
    const verdict = this.plane.inbound(outer, data);
    if (verdict.kind === 'accept') {
      this.#accept(data, outer);
      return;
    }
    this.#unknown(outer, data);
    if (verdict.kind === 'hold') this.#hold({ frame, data, until });
  }

  #hold(held: Held): void {
    this.#held = this.#held.filter(({ until }) => until >= this.#schedule.now);
    if (this.#held.length >= HELD_AT_MOST) this.plane.count('hold queue full');
    else this.#held.push(held);
  }
}

export { keyOfOuter };
