/**
 * The parts of the desired state that a mobile router adds to the mobile node's: its networks, and
 * the routing of their packets.
 *
 * RFC 3963 §5.4.2 addresses of a network whose registration was given up;  §5.5, §5.6, §5.8
 * Left out: proxying, and router advertisements on the home link (§5.8 says MAY).
 */
import { prefixContains } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import type { MobileRouterConfiguration } from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import { forwardingSettings } from './forwarding.ts';
import { routerRoutes } from './routes.ts';
import { homeStateOf, routingInput } from './routing-input.ts';
import { routerRules } from './rules.ts';

/**
 * Parts by key. `egress`: the interfaces that may lead to the home agent. A home without a state is
 * one whose registration was given up or withdrawn: its networks lose the router's addresses, so
 * that they are no longer advertised (RFC 3963 §5.4.2).
 */
export function mobileRouterParts(
  configuration: MobileRouterConfiguration,
  homeStates: readonly HomeState[],
  egress: readonly NetworkInterface[],
): ReadonlyMap<string, DesiredPart> {
  const inputs = ([6, 4] as const)
    .map((family) => routingInput(configuration, homeStates, egress, family))
    .filter(({ prefixes }) => prefixes.length > 0);
  const rules = inputs.flatMap(routerRules);
  return new Map<string, DesiredPart>([
    ['mobile-router/rules', { rules, routes: inputs.flatMap(routerRoutes) }],
    ['mobile-router/networks', networkAddresses(configuration, homeStates)],
    ['mobile-router/inner-prefixes', innerPrefixes(configuration, homeStates)],
    ['mobile-router/forwarding', { sysctls: inputs.flatMap(forwardingSettings) }],
  ]);
}

/** Whether they are registered or not: nothing for them comes in by a visited link. */
function innerPrefixes(
  { homes }: MobileRouterConfiguration,
  homeStates: readonly HomeState[],
): DesiredPart {
  return {
    innerPrefixes: homes.flatMap(({ name, mobileNetworkPrefixes }) => {
      const homeLink = homeStateOf(homeStates, name)?.homeLink?.device;
      return mobileNetworkPrefixes.map((prefix) => ({ prefix, homeLink }));
    }),
  };
}

/** The router's addresses in the networks of homes that have a state. */
function networkAddresses(
  { homes, mobileNetworks }: MobileRouterConfiguration,
  homeStates: readonly HomeState[],
): DesiredPart {
  const prefixes = homes
    .filter(({ name }) => homeStateOf(homeStates, name) !== undefined)
    .flatMap((home) => home.mobileNetworkPrefixes);
  const addresses = mobileNetworks.flatMap(({ device, addresses: own }) =>
    own
      .filter(({ address }) => prefixes.some((prefix) => prefixContains(prefix, address)))
      .map(({ address, prefixLength }) => ({ device, address, prefixLength, noDad: false })),
  );
  return { addresses };
}
