/**
 * Judges Route Directions. A coordinator chooses which nodes meet and by which relay; everything
 * else in a direction has to agree with a credential, with the account server's description of the
 * system, and with the node's own request.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Route Direction), §8, §10
 */
import { equalBytes } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import {
  DirectionRole,
  FAMILY_IPV4,
  FAMILY_IPV6,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import type { PeerNode } from './peer-node.ts';
import type { CredentialFault, Trust } from './trust.ts';

/** A counter of the node. */
export type DirectionFault =
  | CredentialFault
  | 'direction-incomplete'
  | 'direction-unasked'
  | 'direction-wrong-role'
  | 'direction-general-in-zone'
  | 'direction-general-address'
  | 'direction-other-name'
  | 'direction-other-address'
  | 'direction-other-path'
  | 'direction-other-groups'
  | 'direction-own-node'
  | 'relay-unknown';

/** The name and path id of a Direction Request. */
export interface RequestedName {
  readonly name: string;
  readonly pathId: Uint8Array;
}

/** A path that the node has already. */
interface KnownPath {
  readonly peer: Pick<PeerNode, 'name'>;
  readonly initiator: boolean;
}

type AcceptedAnswer =
  | { readonly kind: 'node'; readonly other: PeerNode }
  | {
      readonly kind: 'general';
      readonly relay: NtmobileOptionOf<'relay'>;
      readonly addresses: readonly IpAddress[];
    };

/** Judges the answer to the node's own request; `known` is the path with the requested id. */
export function judgeAnswer(
  trust: Trust,
  now: Wall,
  requested: RequestedName & { readonly known: KnownPath | undefined },
  options: readonly NtmobileOption[],
): AcceptedAnswer | DirectionFault {
  const role = findNtmobileOption(options, 'role')?.role;
  const name = findNtmobileOption(options, 'name')?.name;
  const pathId = findNtmobileOption(options, 'path-id')?.pathId;
  if (role === DirectionRole.general && trust.isInZone(requested.name))
    return 'direction-general-in-zone';
  if (pathId === undefined || !equalBytes(pathId, requested.pathId)) return 'direction-other-path';
  if (name !== undefined && name !== requested.name) return 'direction-other-name';
  if (role === DirectionRole.general) return judgeGeneral(trust, options);
  if (role !== DirectionRole.initiator) return 'direction-wrong-role';
  const other = judgeNode(trust, now, options);
  if (typeof other === 'string') return other;
  if (other.name !== requested.name) return 'direction-other-name';
  return (
    pathFault(requested.known, other, true) ?? relayFault(trust, options) ?? { kind: 'node', other }
  );
}

/** Judges a direction to the responder of a path; `requested` is the id of a path of its own. */
export function judgeResponder(
  trust: Trust,
  now: Wall,
  { known, requested }: { readonly known: KnownPath | undefined; readonly requested: boolean },
  options: readonly NtmobileOption[],
): PeerNode | DirectionFault {
  const role = findNtmobileOption(options, 'role')?.role;
  if (role !== DirectionRole.responder) return 'direction-unasked';
  const other = judgeNode(trust, now, options);
  if (typeof other === 'string') return other;
  if (requested) return 'direction-other-path';
  return pathFault(known, other, false) ?? relayFault(trust, options) ?? other;
}

/** The other node: its credential is valid, and the options say what it says. */
function judgeNode(
  trust: Trust,
  now: Wall,
  options: readonly NtmobileOption[],
): PeerNode | DirectionFault {
  const credential = findNtmobileOption(options, 'credential')?.credential;
  if (credential === undefined) return 'direction-incomplete';
  const other = trust.holder(now, credential);
  if (typeof other === 'string') return other;
  if (findNtmobileOption(options, 'name')?.name !== other.name) return 'direction-other-name';
  const virtual = addressesIn(options, FAMILY_IPV4 | FAMILY_IPV6);
  if (virtual.join(' ') !== `${other.virtualIpv6} ${other.virtualIpv4}`)
    return 'direction-other-address';
  return ownFault(trust, other) ?? other;
}

function ownFault({ own }: Trust, other: PeerNode): DirectionFault | undefined {
  if (own === undefined) return 'credential-refused';
  if (equalBytes(own.publicKey, other.publicKey) || own.name === other.name)
    return 'direction-own-node';
  if (own.virtualIpv6 === other.virtualIpv6 || own.virtualIpv4 === other.virtualIpv4)
    return 'direction-other-address';
  return mayMeet(own.groups, other.groups) ? undefined : 'direction-other-groups';
}

/** Two nodes may meet if they share a group, or if neither has any. */
function mayMeet(groups: readonly string[], others: readonly string[]): boolean {
  if (groups.length === 0 && others.length === 0) return true;
  return groups.some((group) => others.includes(group));
}

/** A path stays that of the two nodes and roles that it was made for. */
function pathFault(
  known: KnownPath | undefined,
  other: PeerNode,
  initiator: boolean,
): DirectionFault | undefined {
  if (known === undefined) return undefined;
  const same = known.peer.name === other.name && known.initiator === initiator;
  return same ? undefined : 'direction-other-path';
}

function relayFault(trust: Trust, options: readonly NtmobileOption[]): DirectionFault | undefined {
  const relay = findNtmobileOption(options, 'relay');
  return relay === undefined || trust.isRelay(relay.publicKey) ? undefined : 'relay-unknown';
}

function judgeGeneral(
  trust: Trust,
  options: readonly NtmobileOption[],
): AcceptedAnswer | DirectionFault {
  const relay = findNtmobileOption(options, 'relay');
  const families = findNtmobileOption(options, 'families')?.families ?? FAMILY_IPV4 | FAMILY_IPV6;
  const addresses = addressesIn(options, families);
  if (relay === undefined || addresses.length === 0) return 'direction-incomplete';
  if (!addressesIn(options, FAMILY_IPV4 | FAMILY_IPV6).every((one) => trust.isGeneral(one)))
    return 'direction-general-address';
  return relayFault(trust, options) ?? { kind: 'general', relay, addresses };
}

/** The virtual addresses of these families, IPv6 before IPv4. */
function addressesIn(options: readonly NtmobileOption[], families: number): readonly IpAddress[] {
  const ipv6 = findNtmobileOption(options, 'virtual-ipv6')?.address;
  const ipv4 = findNtmobileOption(options, 'virtual-ipv4')?.address;
  return [
    ...(ipv6 === undefined || (families & FAMILY_IPV6) === 0 ? [] : [ipv6]),
    ...(ipv4 === undefined || (families & FAMILY_IPV4) === 0 ? [] : [ipv4]),
  ];
}
