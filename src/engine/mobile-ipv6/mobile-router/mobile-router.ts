/**
 * The mobile router: a mobile node with networks behind it.
 *
 * RFC 3963 §5  registration (router-registration.ts), forwarding (desired-state/), movement of a
 *              mobile node (RFC 6275 §11)
 * Left out: router advertisements on the mobile network (§5.6: radvd sends them, for the addresses
 * that the daemon sets); routing protocols in the tunnel (§8); Dynamic Home Agent Address Discovery
 * (§7).
 */
import type { KeyPair } from '#crypto/primitives.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { HomeRole } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import {
  createMobileNode,
  type MobileNodeEngine,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { MobileNodeExtension } from '#engine/mobile-ipv6/mobile-node/mobile-node-extension.ts';
import type { MobileRouterConfiguration } from './configuration.ts';
import { mobileRouterParts } from './desired-state/mobile-router-parts.ts';
import { ROUTER_RULE_PRIORITIES } from './desired-state/rules.ts';
import { RouterRegistration } from './router-registration.ts';

export function createMobileRouter(
  configuration: MobileRouterConfiguration,
  random: RandomBytes,
  own?: KeyPair,
): MobileNodeEngine {
  const roles = new Map<HomeConfiguration, HomeRole>(
    configuration.homes.map((home) => [home, new RouterRegistration(home)]),
  );
  const extension: MobileNodeExtension = {
    name: 'mobile-router',
    roleOf(home) {
      const role = roles.get(home);
      if (role === undefined) throw new Error(`${home.name} is no home of this mobile router`);
      return role;
    },
    exclusions: {
      devices: new Set(configuration.mobileNetworks.map(({ device }) => device)),
      prefixes: configuration.homes.flatMap((home) => home.mobileNetworkPrefixes),
    },
    parts: (homeStates, egress) => mobileRouterParts(configuration, homeStates, egress),
  };
  const node = {
    ...configuration,
    rulePriority: configuration.rulePriority + ROUTER_RULE_PRIORITIES,
  };
  return createMobileNode(node, random, { extension, own });
}
