/**
 * First datagrams of paths: the initiator's Tunnel Request, piggybacked on its Relay Attach
 * Request. The relay forwards it as if it had arrived through the leg.
 *
 * No RFC: docs/reference/ntmobile.md §6 (first datagram), §8, §9
 *
 * A datagram is held until the peer leg exists and the path of its node is validated, because the
 * engine has no anti-amplification limit of its own.
 */
import { equalBytes, isMalformed } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { Step } from '#engine/contract/engine.ts';
import { sendDatagram } from '#engine/sealed/udp-path.ts';
import {
  HandshakeUse,
  LONGEST_FIRST_DATAGRAM,
  ntmobileDatagramCodec,
} from '#wire/ntmobile/datagram.ts';
import { DirectionRole } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-node.ts';
import type { RelayLeg } from './legs.ts';
import type { RelayCounter } from './reasons.ts';

/** The coordinator's timeout for directing the responder, which then requests its leg. */
const HELD_MS = 3_000;
/** First datagrams bypass the rate limit of the leg, so each node has a separate limit for them. */
const PER_SECOND = 16;
const BURST = 32;

interface HeldDatagram {
  readonly datagram: Uint8Array;
  readonly until: Monotonic;
}

export class FirstDatagrams {
  readonly #counters: CounterSet<RelayCounter>;
  /** By the initiator's leg, oldest first. */
  readonly #held = new Map<RelayLeg, HeldDatagram>();
  readonly #budgets = new WeakMap<AttachedNode, TokenBucket>();

  constructor(counters: CounterSet<RelayCounter>) {
    this.#counters = counters;
  }

  deadline(): Monotonic {
    const [oldest] = this.#held.values();
    return oldest?.until ?? NEVER;
  }

  /**
   * Holds the datagram of a granted attach request in place of an older one. Returns whether it was
   * accepted.
   */
  take({ now }: Step, leg: RelayLeg, datagram: Uint8Array): boolean {
    if (!isTunnelRequest(leg, datagram) || !this.#budget(leg.node).take(now)) {
      this.#counters.count('first-datagram-refused');
      return false;
    }
    this.#held.delete(leg);
    this.#held.set(leg, { datagram, until: after(now, HELD_MS) });
    return true;
  }

  #budget(node: AttachedNode): TokenBucket {
    const known = this.#budgets.get(node);
    const budget = known ?? new TokenBucket(PER_SECOND, BURST);
    if (known === undefined) this.#budgets.set(node, budget);
    return budget;
  }

  /** Forwards the path's held datagram once both legs exist and the peer's path is validated. */
  forward(step: Step, leg: RelayLeg): void {
    if (this.#held.size === 0) return;
    const initiator = leg.role === DirectionRole.initiator ? leg : leg.peerLeg;
    const held = initiator === undefined ? undefined : this.#held.get(initiator);
    if (initiator?.peerLeg === undefined || held === undefined || held.until <= step.now) return;
    const { node, index } = initiator.peerLeg;
    if (!node.path.validated) return;
    this.#held.delete(initiator);
    this.#counters.count('first-datagram-passed');
    sendDatagram(step, { ...node.path.current, relayIndex: index }, held.datagram);
  }

  /** Drops datagrams whose peer leg was not attached in time. */
  tick({ now }: Step): void {
    for (const [leg, { until }] of this.#held) {
      if (until > now) return;
      this.#held.delete(leg);
      this.#counters.count('first-datagram-late');
    }
  }
}

/** Checks the parts that are readable without keys. */
function isTunnelRequest({ role, pathId }: RelayLeg, octets: Uint8Array): boolean {
  if (role !== DirectionRole.initiator || octets.length > LONGEST_FIRST_DATAGRAM) return false;
  const datagram = ntmobileDatagramCodec.parse(octets);
  if (isMalformed(datagram) || datagram.type !== 'initiation') return false;
  return datagram.use === HandshakeUse.node && equalBytes(datagram.pathId, pathId);
}
