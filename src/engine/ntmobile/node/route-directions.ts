/**
 * Route Directions: the coordinator directs a node to build a path, as initiator, as responder, or
 * to a general node behind a relay. The node follows a direction that `direction-judgement.ts`
 * accepts, and counts and reports every other one.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Route Direction), §8, §10
 */
import { equalBytes } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import { after, type Monotonic, type Wall } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import {
  type DirectionFault,
  judgeAnswer,
  judgeResponder,
  type RequestedName,
} from './direction-judgement.ts';
import { emitEvent } from './events.ts';
import type { PathManager } from './paths/path-manager.ts';
import type { DirectedPath } from './peer-node.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { Trust } from './trust.ts';

/** Between two events about refused directions of one reason. */
const EVENT_INTERVAL_MS = 60_000;

interface RouteDirectionsContext {
  readonly trust: Trust;
  readonly pathManager: PathManager;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  wall(step: Step): Wall;
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
  /** Whether this node chose the path id for a request of its own. */
  isRequestedPath(pathId: Uint8Array): boolean;
  /** Whether applications used the name recently. */
  isInUse(step: Step, name: string): boolean;
  /** The coordinator named a relay that the account server did not name at the last login. */
  relayUnknown(step: Step): void;
}

export class RouteDirections {
  readonly #context: RouteDirectionsContext;
  /** When the next event about a reason may be reported. */
  readonly #quietUntil = new Map<NtmobileNodeCounter, Monotonic>();

  constructor(context: RouteDirectionsContext) {
    this.#context = context;
  }

  /**
   * Follows the answer to this node's own request. Returns the addresses for applications;
   * undefined when the direction is not acceptable.
   */
  followAnswer(
    step: Step,
    requested: RequestedName,
    { message: { options }, octets }: Pick<ReceivedMessage, 'message' | 'octets'>,
  ): readonly IpAddress[] | undefined {
    const { trust, pathManager } = this.#context;
    const { name, pathId } = requested;
    const known = pathManager.path(pathId);
    const accepted = judgeAnswer(trust, this.#context.wall(step), { ...requested, known }, options);
    if (typeof accepted === 'string') {
      this.#refuse(step, accepted, name);
      return undefined;
    }
    if (accepted.kind === 'node') {
      const directed = { pathId, other: accepted.other, initiator: true };
      return this.#makePath(step, directed, { options, octets });
    }
    const { relay, addresses } = accepted;
    if (!this.#release(step, name, addresses)) {
      this.#refuse(step, 'direction-address-taken', name);
      return undefined;
    }
    pathManager.general.assign(step, pathManager.relay(relay), { name, addresses });
    return addresses;
  }

  /** Takes the addresses from names that no application uses. False if one is in use. */
  #release(step: Step, name: string, addresses: readonly IpAddress[]): boolean {
    const { general } = this.#context.pathManager;
    const holders = addresses
      .flatMap((address) => general.holderOf(address) ?? [])
      .filter((holder) => holder !== name);
    if (holders.some((holder) => this.#context.isInUse(step, holder))) return false;
    for (const holder of holders) general.forget(step, holder);
    return true;
  }

  /** Follows a Route Direction to the responder of a path, and confirms or refuses it. */
  followAsResponder(
    step: Step,
    { message: { options, transaction }, octets }: Pick<ReceivedMessage, 'message' | 'octets'>,
  ): NtmobileMessage {
    const confirm = (status: number, given: readonly NtmobileOption[] = []): NtmobileMessage => ({
      ...{ type: 'route-direction-confirmation', answer: true, status, transaction },
      options: given,
    });
    const { trust, pathManager } = this.#context;
    const pathId = findNtmobileOption(options, 'path-id')?.pathId;
    if (pathId === undefined) return confirm(NtmobileStatus.malformed);
    const known = pathManager.path(pathId);
    const requested = this.#context.isRequestedPath(pathId);
    const now = this.#context.wall(step);
    const other = judgeResponder(trust, now, { known, requested }, options);
    if (typeof other === 'string') {
      this.#refuse(step, other, findNtmobileOption(options, 'name')?.name);
      const { malformed, notAllowed } = NtmobileStatus;
      return confirm(other === 'direction-unasked' ? malformed : notAllowed);
    }
    if (known === undefined && !pathManager.mayRespond(other)) return confirm(NtmobileStatus.busy);
    this.#makePath(step, { pathId, other, initiator: false }, { options, octets });
    return confirm(NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      ...this.#context.candidates(),
    ]);
  }

  #makePath(
    step: Step,
    directed: DirectedPath,
    direction: { readonly options: readonly NtmobileOption[]; readonly octets: number },
  ): readonly IpAddress[] {
    const { pathManager } = this.#context;
    const { pathId, other } = directed;
    const known = pathManager.path(pathId);
    // The node of that name has another key, which the account server signed later.
    if (known !== undefined && !equalBytes(known.peer.publicKey, other.publicKey))
      pathManager.endPath(step, known);
    pathManager.endReplaced(step, other);
    return pathManager.makePath(step, directed, direction).addresses;
  }

  #refuse(
    step: Step,
    reason: DirectionFault | 'direction-address-taken',
    name: string | undefined,
  ): void {
    this.#context.counters.count(reason);
    if (reason === 'relay-unknown') this.#context.relayUnknown(step);
    if (step.now < (this.#quietUntil.get(reason) ?? step.now)) return;
    this.#quietUntil.set(reason, after(step.now, EVENT_INTERVAL_MS));
    emitEvent(step, 'direction-refused', 'warn', { name, reason });
  }

  /** The relay of the general node with that name; empty for any other name. */
  relayOf(name: string): readonly NtmobileOptionOf<'relay'>[] {
    const relay = this.#context.pathManager.general.relayOf(name);
    return relay === undefined
      ? []
      : [{ type: 'relay', publicKey: relay.publicKey, endpoints: [] }];
  }
}
