/**
 * Directions: the messages with which a direction coordinator makes two nodes, or a node and a
 * relay, establish a path.
 *
 * No RFC: docs/reference/ntmobile.md §6; the order of the messages is the published one
 *
 *     to a node
 *     MN -> DC    Direction Request
 *     DC -> CN    Route Direction
 *     CN -> DC    Route Direction Confirmation
 *     DC -> MN    Route Direction
 *
 *     to a general node
 *     MN -> DC    Direction Request
 *     DC -> RS-N  Relay Direction
 *     RS-N -> DC  Relay Direction Response
 *     DC -> MN    Route Direction
 */
import type { Monotonic } from '#base/time.ts';
import { makeRelayToken, relayTokenKey } from '#crypto/relay-token.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { Session } from '#engine/sealed/session.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  FAMILY_IPV4,
  FAMILY_IPV6,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import { candidatesIn, relayOption } from './answers.ts';
import type { CoordinatorConfiguration } from './configuration.ts';
import type { GeneralNode } from './general-nodes.ts';
import type { NodeRegistration } from './registrations.ts';
import type { Relay } from './relays.ts';

/** Long enough for slow handshakes of both nodes with the relay. */
const TOKEN_SECONDS = 60;
/** Used if the relay reports none. */
const DEFAULT_TIME_TO_LIVE_SECONDS = 60;

/** A Direction Request that waits for the answer of the other node or the relay. */
export interface PendingDirection {
  readonly requester: NodeRegistration;
  /** The session of the request, and its target: what the budget of the node counts. */
  readonly asker: Session;
  readonly askedFor: string;
  readonly request: NtmobileMessage;
  readonly pathId: Uint8Array;
  readonly relay: Relay | undefined;
  /** A first relay did not answer; `relay` is the second one. */
  readonly isRetry?: boolean;
  readonly target:
    | { readonly kind: 'node'; readonly registration: NodeRegistration }
    | { readonly kind: 'general'; readonly node: GeneralNode };
}

/** Two nodes may reach each other if they share a group, or if neither has any. */
export function mayReach(
  { holder: { groups } }: NodeRegistration,
  other: NodeRegistration,
): boolean {
  const others = other.holder.groups;
  if (groups.length === 0 && others.length === 0) return true;
  return groups.some((group) => others.includes(group));
}

/** The options that describe one node to the other. */
function describe(
  other: NodeRegistration,
  candidates: readonly NtmobileOption[],
): readonly NtmobileOption[] {
  const { name, virtualIpv6, virtualIpv4 } = other.holder;
  return [
    { type: 'name', name },
    { type: 'credential', credential: other.credential },
    ...candidates,
    { type: 'virtual-ipv6', address: virtualIpv6 },
    { type: 'virtual-ipv4', address: virtualIpv4 },
  ];
}

/** Builds the options of directions. */
export class DirectionWriter {
  readonly #clock: WallClock;
  #configuration: CoordinatorConfiguration;

  constructor(configuration: CoordinatorConfiguration, clock: WallClock) {
    this.#configuration = configuration;
    this.#clock = clock;
  }

  reconfigure(configuration: CoordinatorConfiguration): void {
    this.#configuration = configuration;
  }

  /** Route Direction to the requested node. */
  toResponder(
    now: Monotonic,
    direction: PendingDirection,
    responder: NodeRegistration,
  ): readonly NtmobileOption[] {
    const { requester, pathId, request } = direction;
    const given = candidatesIn(request.options);
    return [
      { type: 'path-id', pathId },
      { type: 'role', role: DirectionRole.responder },
      ...describe(requester, given.length > 0 ? given : requester.candidates),
      ...this.#legOptions(
        now,
        direction,
        [responder.holder, requester.holder],
        DirectionRole.responder,
      ),
    ];
  }

  /** Route Direction to the requester, after the requested node confirmed. */
  toInitiator(
    now: Monotonic,
    direction: PendingDirection,
    responder: NodeRegistration,
    confirmation: NtmobileMessage,
  ): readonly NtmobileOption[] {
    const { requester, pathId } = direction;
    const given = candidatesIn(confirmation.options);
    return [
      { type: 'path-id', pathId },
      { type: 'role', role: DirectionRole.initiator },
      ...describe(responder, given.length > 0 ? given : responder.candidates),
      ...this.#legOptions(
        now,
        direction,
        [requester.holder, responder.holder],
        DirectionRole.initiator,
      ),
      { type: 'time-to-live', seconds: DEFAULT_TIME_TO_LIVE_SECONDS },
    ];
  }

  /** The relay and the token for one node's leg; none if the path has no relay. */
  #legOptions(
    now: Monotonic,
    { relay, pathId }: PendingDirection,
    [{ nodeId }, { nodeId: peerId }]: readonly [CredentialHolder, CredentialHolder],
    role: number,
  ): readonly NtmobileOption[] {
    if (relay === undefined) return [];
    const { secret, relayRateKilobits: rateKilobits } = this.#configuration;
    const notAfterSeconds = BigInt(Math.floor(this.#clock.wallAt(now) / 1000) + TOKEN_SECONDS);
    const key = relayTokenKey(secret, relay.nodeId);
    const fields = { role, rateKilobits, pathId, nodeId, peerId, notAfterSeconds };
    const token = makeRelayToken(key, fields);
    return [relayOption(relay), { type: 'relay-token', token }];
  }

  /** Relay Direction for a general node. */
  toRelay(
    { requester, pathId }: PendingDirection,
    { name, virtualIpv6, virtualIpv4 }: GeneralNode,
  ): readonly NtmobileOption[] {
    return [
      { type: 'path-id', pathId },
      { type: 'role', role: DirectionRole.general },
      { type: 'name', name },
      { type: 'virtual-ipv6', address: virtualIpv6 },
      ...(virtualIpv4 === undefined
        ? []
        : [{ type: 'virtual-ipv4', address: virtualIpv4 } as const]),
      { type: 'node-id', nodeId: requester.holder.nodeId },
    ];
  }

  /** Route Direction to the requester of a general node, with the families that are served. */
  toGeneral(
    direction: PendingDirection,
    { name, virtualIpv6, virtualIpv4 }: GeneralNode,
    answer: NtmobileMessage,
  ): readonly NtmobileOption[] {
    const families =
      findNtmobileOption(answer.options, 'families')?.families ?? FAMILY_IPV4 | FAMILY_IPV6;
    const seconds =
      findNtmobileOption(answer.options, 'time-to-live')?.seconds ?? DEFAULT_TIME_TO_LIVE_SECONDS;
    return [
      { type: 'path-id', pathId: direction.pathId },
      { type: 'role', role: DirectionRole.general },
      { type: 'name', name },
      ...(direction.relay === undefined ? [] : [relayOption(direction.relay)]),
      { type: 'virtual-ipv6', address: virtualIpv6 },
      ...(virtualIpv4 === undefined
        ? []
        : [{ type: 'virtual-ipv4', address: virtualIpv4 } as const]),
      { type: 'families', families },
      { type: 'time-to-live', seconds },
    ];
  }
}

/** The status for the requester when a relay refuses: only faults of the name are passed on. */
export function statusOfRelay(answer: NtmobileMessage | undefined): number {
  if (answer === undefined) return NtmobileStatus.noRelay;
  const { noSuchName, nameNotResolved, notAllowed, busy } = NtmobileStatus;
  const passed: readonly number[] = [noSuchName, nameNotResolved, notAllowed, busy];
  return passed.includes(answer.status) ? answer.status : NtmobileStatus.noRelay;
}
