/**
 * Route Directions: the coordinator directs a node to build a path, as initiator, as responder, or
 * to a general node behind a relay.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Route Direction), §10
 *
 * A node follows a direction only as far as credentials and the system's prefixes allow.
 */
import type { IpAddress } from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  FAMILY_IPV4,
  FAMILY_IPV6,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import type { PathManager } from './paths/path-manager.ts';
import type { Trust } from './trust.ts';

interface RouteDirectionsContext {
  readonly trust: Trust;
  readonly pathManager: PathManager;
  wall(step: Step): Wall;
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
}

/** The name and path id of a Direction Request. */
interface RequestedName {
  readonly name: string;
  readonly pathId: Uint8Array;
}

export class RouteDirections {
  readonly #context: RouteDirectionsContext;

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
    options: readonly NtmobileOption[],
  ): readonly IpAddress[] | undefined {
    const role = findNtmobileOption(options, 'role')?.role;
    const relay = findNtmobileOption(options, 'relay');
    if (role === DirectionRole.general)
      return relay === undefined
        ? undefined
        : this.#followGeneral(step, requested.name, relay, options);
    const { trust, pathManager } = this.#context;
    const other = trust.verifiedPeer(this.#context.wall(step), options);
    if (role !== DirectionRole.initiator || other?.name !== requested.name) return undefined;
    const directed = { pathId: requested.pathId, other, initiator: true };
    return pathManager.makePath(step, directed, options).addresses;
  }

  #followGeneral(
    step: Step,
    name: string,
    option: NtmobileOptionOf<'relay'>,
    options: readonly NtmobileOption[],
  ): readonly IpAddress[] | undefined {
    const ipv6 = findNtmobileOption(options, 'virtual-ipv6')?.address;
    const ipv4 = findNtmobileOption(options, 'virtual-ipv4')?.address;
    const families = findNtmobileOption(options, 'families')?.families ?? FAMILY_IPV4 | FAMILY_IPV6;
    const addresses = [
      families & FAMILY_IPV6 ? ipv6 : undefined,
      families & FAMILY_IPV4 ? ipv4 : undefined,
    ].filter((address) => address !== undefined);
    const { trust, pathManager } = this.#context;
    if (addresses.length === 0 || !addresses.every((address) => trust.isGeneral(address)))
      return undefined;
    pathManager.general.assign(step, pathManager.relay(option), { name, addresses });
    return addresses;
  }

  /** Follows a Route Direction to the responder of a path, and confirms or refuses it. */
  followAsResponder(step: Step, { options, transaction }: NtmobileMessage): NtmobileMessage {
    const confirm = (status: number, given: readonly NtmobileOption[] = []): NtmobileMessage => ({
      ...{ type: 'route-direction-confirmation', answer: true, status, transaction },
      options: given,
    });
    const pathId = findNtmobileOption(options, 'path-id')?.pathId;
    const role = findNtmobileOption(options, 'role')?.role;
    if (pathId === undefined || role !== DirectionRole.responder)
      return confirm(NtmobileStatus.malformed);
    const { trust, pathManager } = this.#context;
    const other = trust.verifiedPeer(this.#context.wall(step), options);
    const known = pathManager.path(pathId);
    if (other === undefined || (known !== undefined && known.peer.name !== other.name))
      return confirm(NtmobileStatus.notAllowed);
    if (known === undefined && !pathManager.mayRespond(other)) return confirm(NtmobileStatus.busy);
    pathManager.makePath(step, { pathId, other, initiator: false }, options);
    return confirm(NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      ...this.#context.candidates(),
    ]);
  }

  /** The relay of the general node with that name; empty for any other name. */
  relayOf(name: string): readonly NtmobileOptionOf<'relay'>[] {
    const relay = this.#context.pathManager.general.relayOf(name);
    return relay === undefined
      ? []
      : [{ type: 'relay', publicKey: relay.publicKey, endpoints: [] }];
  }
}
