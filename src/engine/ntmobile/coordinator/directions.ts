/**
 * Directions: what a direction coordinator tells two nodes, or a node and a relay, so that they
 * build a path.
 *
 * No RFC: docs/reference/ntmobile.md §6; the order of the messages is the published one
 *
 *   to a node:           MN -> DC  Direction Request        to a general node:  MN -> DC
 *   Direction Request
 *                        DC -> CN  Route Direction                              DC -> RS-N Relay
 *                        Direction
 *                        CN -> DC  Route Direction Confirmation                 RS-N -> DC Relay
 *                        Direction Response
 *                        DC -> MN  Route Direction                              DC -> MN   Route
 *                        Direction
 */
import type { Monotonic } from '#base/time.ts';
import { makeRelayToken, relayTokenKey } from '#crypto/relay-token.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  FAMILY_IPV4,
  FAMILY_IPV6,
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import { relayOption } from './answers.ts';
import type { DirectionCoordinatorConfiguration } from './configuration.ts';
import type { GeneralNode } from './general-nodes.ts';
import type { NodeRegistration } from './registrations.ts';
import type { Relay } from './relays.ts';

/** Both nodes of a path need it: long enough for a slow handshake. */
const TOKEN_SECONDS = 60;
/** What the relay does not say. */
const DEFAULT_TIME_TO_LIVE_SECONDS = 60;

/** A Direction Request whose answer waits for somebody else's. */
export interface PendingDirection {
  readonly requester: NodeRegistration;
  readonly request: NtmobileMessage;
  readonly pathId: Uint8Array;
  readonly relay: Relay | undefined;
  /** Another relay was asked before, and did not answer. */
  readonly second?: boolean;
  readonly target:
    | { readonly kind: 'node'; readonly registration: NodeRegistration }
    | { readonly kind: 'general'; readonly node: GeneralNode };
}

/** Nodes reach each other that share a group, or that have none at all. */
export function mayReach(
  { holder: { groups } }: NodeRegistration,
  other: NodeRegistration,
): boolean {
  const others = other.holder.groups;
  if (groups.length === 0 && others.length === 0) return true;
  return groups.some((group) => others.includes(group));
}

function leg(
  configuration: DirectionCoordinatorConfiguration,
  now: Monotonic,
  offsetMs: number,
  { relay, pathId }: PendingDirection,
  { holder }: NodeRegistration,
  role: number,
): readonly NtmobileOption[] {
  if (relay === undefined) return [];
  const key = relayTokenKey(configuration.secret, relay.nodeId);
  const notAfterSeconds = BigInt(Math.floor((now + offsetMs) / 1000) + TOKEN_SECONDS);
  const rateKilobits = configuration.relayRateKilobits;
  const token = makeRelayToken(key, {
    role,
    rateKilobits,
    pathId,
    nodeId: holder.nodeId,
    notAfterSeconds,
  });
  return [relayOption(relay), { type: 'relay-token', token }];
}

/** What one node is told of the other. */
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

/** Makes the options of directions; the clock's offset changes with `offsetMs`. */
export class DirectionWriter {
  configuration: DirectionCoordinatorConfiguration;
  offsetMs = 0;

  constructor(configuration: DirectionCoordinatorConfiguration) {
    this.configuration = configuration;
  }

  /** Route Direction to the node that was asked for. */
  toResponder(
    now: Monotonic,
    direction: PendingDirection,
    responder: NodeRegistration,
  ): readonly NtmobileOption[] {
    const { requester, pathId, request } = direction;
    const given = filterNtmobileOptions(request.options, 'candidate');
    return [
      { type: 'path-id', pathId },
      { type: 'role', role: DirectionRole.responder },
      ...describe(requester, given.length > 0 ? given : requester.candidates),
      ...leg(this.configuration, now, this.offsetMs, direction, responder, DirectionRole.responder),
    ];
  }

  /** Route Direction to the node that asked, after the other one confirmed. */
  toInitiator(
    now: Monotonic,
    direction: PendingDirection,
    responder: NodeRegistration,
    confirmation: NtmobileMessage,
  ): readonly NtmobileOption[] {
    const { requester, pathId } = direction;
    const given = filterNtmobileOptions(confirmation.options, 'candidate');
    return [
      { type: 'path-id', pathId },
      { type: 'role', role: DirectionRole.initiator },
      ...describe(responder, given.length > 0 ? given : responder.candidates),
      ...leg(this.configuration, now, this.offsetMs, direction, requester, DirectionRole.initiator),
      { type: 'time-to-live', seconds: DEFAULT_TIME_TO_LIVE_SECONDS },
    ];
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

  /**
   * Route Direction to the node that asked for a general one: the addresses of the families that
   * the relay serves it in.
   */
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

/** What a relay's refusal means for who asked: only what concerns the name is passed on. */
export function statusOfRelay(answer: NtmobileMessage | undefined): number {
  if (answer === undefined) return NtmobileStatus.noRelay;
  const { noSuchName, nameNotResolved, notAllowed, busy } = NtmobileStatus;
  const passed: readonly number[] = [noSuchName, nameNotResolved, notAllowed, busy];
  return passed.includes(answer.status) ? answer.status : NtmobileStatus.noRelay;
}
