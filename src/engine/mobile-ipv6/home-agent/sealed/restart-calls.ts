/**
 * Calls to mobile nodes after a restart, which loses all keys: a node that only receives would not
 * notice before its next Binding Update. Also to those that registered again after their keys ended
 * with an earlier binding.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §5 (call)
 *
 * A call is a Tunnel Request, which authenticates the home agent. The node does not answer it; it
 * begins a handshake of its own.
 */
import type { Ipv6Address } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';

/** Calls are made in batches, because each costs public-key operations. */
const BATCH_SIZE = 50;
const BATCH_INTERVAL_MS = 50;
/** When a call is repeated; a node that does not answer then has left, or moved. */
const REPEATED_AFTER_MS = 1000;
const CALLS = 2;
const NO_PATH = new Uint8Array(8);

interface CalledNode {
  readonly homeAddress: Ipv6Address;
  readonly publicKey: Uint8Array;
  readonly udpPath: UdpPath;
}

interface Call extends CalledNode {
  readonly dueAt: Monotonic;
  readonly made: number;
}

export class RestartCalls {
  readonly #sessions: Sessions<UdpPath>;
  /** By home address, those due first in front. */
  readonly #waiting = new Map<Ipv6Address, Call>();
  #nextBatchAt: Monotonic = monotonic(0);

  constructor(sessions: Sessions<UdpPath>) {
    this.#sessions = sessions;
  }

  deadline(): Monotonic {
    const [first] = this.#waiting.values();
    if (first === undefined) return NEVER;
    return monotonic(Math.max(first.dueAt, this.#nextBatchAt));
  }

  add(now: Monotonic, node: CalledNode): void {
    this.#waiting.set(node.homeAddress, { ...node, dueAt: now, made: 0 });
  }

  /** The node began a handshake. */
  answered(homeAddress: Ipv6Address): void {
    this.#waiting.delete(homeAddress);
  }

  /** Makes the calls that are due; gives the home addresses. */
  tick(step: Step): readonly Ipv6Address[] {
    if (step.now < this.#nextBatchAt) return [];
    const due = [...this.#waiting.values()]
      .filter(({ dueAt }) => dueAt <= step.now)
      .slice(0, BATCH_SIZE);
    if (due.length > 0) this.#nextBatchAt = after(step.now, BATCH_INTERVAL_MS);
    for (const call of due) this.#call(step, call);
    return due.map(({ homeAddress }) => homeAddress);
  }

  #call(step: Step, call: Call): void {
    const { homeAddress, publicKey, udpPath, made } = call;
    const session: Session = this.#sessions.connect(step, {
      ...{ publicKey, use: HandshakeUse.homeAgent, pathId: NO_PATH, udpPath, paced: true },
      identity: [{ type: 'home-address', address: homeAddress }],
    });
    // A response would be refused: the node makes the keys.
    this.#sessions.discard(session);
    this.#waiting.delete(homeAddress);
    if (made + 1 < CALLS) {
      const dueAt = after(step.now, REPEATED_AFTER_MS);
      this.#waiting.set(homeAddress, { ...call, dueAt, made: made + 1 });
    }
  }
}
