/**
 * Decides what follows when a home agent does not serve the role that extends the mobile node.
 *
 * RFC 3963 §5.3  an acceptance without R flag: de-register, then ask another home agent
 * RFC 3963 §5.4  another home agent, another mode; no more Binding Updates when all were tried
 */
import type {
  HomeAgentAddresses,
  HomeAgentTarget,
} from '#engine/mobile-ipv6/mobile-node/home/home-agent-addresses.ts';
import type { HomeRole, RoleReaction } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';

/** A home agent's refusal; `status` is undefined for an acceptance that does not serve the role. */
export interface RoleRefusal {
  readonly homeAgent: HomeAgentTarget;
  readonly status: number | undefined;
}

/**
 * The role's reaction; undefined where the role has none, and the mobile node's own applies.
 * `resolvedNow`: the name of the home agent was resolved because of this refusal.
 */
export function decideRoleRejection(
  role: HomeRole,
  homeAgents: HomeAgentAddresses,
  family: 4 | 6,
  { homeAgent, status }: RoleRefusal,
  resolvedNow: boolean,
): RoleReaction | undefined {
  return role.reactionToRefusal(status, {
    homeAgent: homeAgent.outerAddress,
    knownAddresses: homeAgents.addressesOf(family),
    nameResolvedNow: resolvedNow || homeAgents.name === undefined,
  });
}
