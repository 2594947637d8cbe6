/**
 * First datagrams of paths: the initiator's Tunnel Request, which comes along with its request for
 * a leg and goes on as if it had come through the leg.
 *
 * No RFC: docs/reference/ntmobile.md §6 (first datagram), §8, §9
 *
 * It waits until the other leg is there and its node's place is proved: what goes out has no limit
 * by what came in.
 */
import { equalBytes, isMalformed } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import {
  HandshakeUse,
  LONGEST_FIRST_DATAGRAM,
  ntmobileDatagramCodec,
} from '#wire/ntmobile/datagram.ts';
import { DirectionRole } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-nodes.ts';
import type { RelayLeg } from './legs.ts';
import type { RelayCounter } from './reasons.ts';

/**
 * A coordinator's attempt to direct the other node: it has asked for its leg by then, or does not.
 */
const HELD_MS = 3_000;
/** Of one node: what goes through a leg has the leg's rate, and this goes around it. */
const PER_SECOND = 16;
const BURST = 32;

interface Held {
  readonly datagram: Uint8Array;
  readonly until: Monotonic;
}

export class FirstDatagrams {
  readonly #counters: CounterSet<RelayCounter>;
  readonly #send: (udpPath: UdpPath, datagram: Uint8Array) => void;
  /** By the initiator's leg, oldest first. */
  readonly #held = new Map<RelayLeg, Held>();
  readonly #budgets = new WeakMap<AttachedNode, TokenBucket>();

  constructor(
    counters: CounterSet<RelayCounter>,
    send: (udpPath: UdpPath, datagram: Uint8Array) => void,
  ) {
    this.#counters = counters;
    this.#send = send;
  }

  deadline(): Monotonic {
    const [oldest] = this.#held.values();
    return oldest?.until ?? NEVER;
  }

  /**
   * One came with a request for a leg that was granted; a newer one is in the place of an older.
   * Says whether it goes on.
   */
  take(now: Monotonic, leg: RelayLeg, datagram: Uint8Array): boolean {
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

  /**
   * A leg of the path was given, or its node's place was proved: sends what waits where nothing is
   * missing.
   */
  pass(now: Monotonic, leg: RelayLeg): void {
    if (this.#held.size === 0) return;
    const first = leg.role === DirectionRole.initiator ? leg : leg.peerLeg;
    const held = first === undefined ? undefined : this.#held.get(first);
    if (first?.peerLeg === undefined || held === undefined || held.until <= now) return;
    const { node, index } = first.peerLeg;
    if (!node.validated) return;
    this.#held.delete(first);
    this.#counters.count('first-datagram-passed');
    this.#send({ ...node.udpPath, relayIndex: index }, held.datagram);
  }

  tick(now: Monotonic): void {
    for (const [leg, { until }] of this.#held) {
      if (until > now) return;
      this.#held.delete(leg);
      this.#counters.count('first-datagram-late');
    }
  }
}

/** As far as a relay can tell: nothing of it is opened. */
function isTunnelRequest({ role, pathId }: RelayLeg, octets: Uint8Array): boolean {
  if (role !== DirectionRole.initiator || octets.length > LONGEST_FIRST_DATAGRAM) return false;
  const datagram = ntmobileDatagramCodec.parse(octets);
  if (isMalformed(datagram) || datagram.type !== 'initiation') return false;
  return datagram.use === HandshakeUse.node && equalBytes(datagram.pathId, pathId);
}
