/**
 * Policy rules of a mobile router, in front of the mobile node's.
 *
 * RFC 3963 §5.5  all traffic to and from the mobile network uses the tunnel
 * RFC 3963 §9    ingress filtering: sources inside the prefixes, and none of the router's own
 * Left out: RFC 3963 §9's check of packets that the router decapsulates for a node behind it; the
 * router terminates no tunnel but its own.
 *
 * The rules exist for each family that has a prefix; p is `rulePriority`. "lan" is each interface
 * of a mobile network, "own" the router's own traffic (for the kernel it arrives on lo), "out" each
 * other interface that may lead to the home agent, "none" the unreachable table. The kernel's local
 * table comes before all of them, so packets to the router itself are not affected: Neighbour
 * Discovery, DHCP, multicast.
 *
 *   p    in by lan, from own address              none
 *        no host of the mobile network may use the router's address
 *   p+1  in by tunnel, from prefix                none      (at home: in by the home link)
 *        no host outside may use an address of the mobile network
 *   p+2  in by lan, own or tunnel, to prefix      main      (at home: in by the home link, too)
 *        a mobile network, or one behind a router in it; no route wider than the prefix
 *   p+3  to prefix                                none
 *        in by a visited link; or the network is down, and its packets must not circulate
 *   p+4  in by lan or own, from prefix            tunnel    (at home: the home link's table)
 *        no rule if the registration was given up
 *   p+5  from prefix                              none
 *        a visited link's host would send through the tunnel as a host of the mobile network
 *   p+6  in by lan                                tunnel
 *        the data plane drops and counts foreign sources
 *   p+7  in by lan                                none
 *   p+8  in by out                                main, but not its default     (not at home)
 *        networks of other software on this host, such as a container's
 *   p+9  in by out                                none
 *        this is no router of the visited link, and its hosts must not use the tunnel
 *
 * The rules depend on the configuration and not on the present registration: packets wait or are
 * lost, but never leave untunnelled. A family without prefix gets no rules.
 */
import { familyOf, type IpAddress } from '#base/ip.ts';
import { type DesiredRule, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import {
  hostPrefix,
  MAIN_TABLE,
} from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import {
  homeLinkDevices,
  networkDevices,
  type RoutedPrefix,
  type RoutingInput,
  unreachableTableOf,
} from './routing-input.ts';

/** The interface by which the router's own traffic comes in. */
const OWN_TRAFFIC = 'lo';

/** Added to `rulePriority`. */
const PRIORITY = {
  ownAddress: 0,
  ownPrefixFromOutside: 1,
  toPrefix: 2,
  toPrefixElse: 3,
  fromPrefix: 4,
  fromPrefixElse: 5,
  fromNetwork: 6,
  fromNetworkElse: 7,
  transit: 8,
  transitElse: 9,
} as const;

/** Priorities in front of the mobile node's own. */
export const ROUTER_RULE_PRIORITIES = 10;

export function routerRules(input: RoutingInput): readonly DesiredRule[] {
  const rulesOfPrefixes = input.prefixes.flatMap((routed) => [
    ...rulesTo(routed, input),
    ...rulesFrom(routed, input),
  ]);
  return [...rulesOfNetworks(input), ...rulesOfPrefixes, ...rulesOfTransit(input)];
}

/** A rule without its conditions. */
function ruleOf(
  { configuration, family }: RoutingInput,
  priority: keyof typeof PRIORITY,
  table: number,
): DesiredRule {
  return { family, priority: configuration.rulePriority + PRIORITY[priority], table };
}

function rulesOfNetworks(input: RoutingInput): readonly DesiredRule[] {
  const unreachable = unreachableTableOf(input);
  const own = ownAddresses(input);
  return networkDevices(input).flatMap((inputDevice) => [
    ...own.map((address) => ({
      ...ruleOf(input, 'ownAddress', unreachable),
      from: hostPrefix(address),
      inputDevice,
    })),
    { ...ruleOf(input, 'fromNetwork', input.configuration.table), inputDevice },
    { ...ruleOf(input, 'fromNetworkElse', unreachable), inputDevice },
  ]);
}

/** Addresses of the router that the data plane would accept as a source. */
function ownAddresses({ configuration, homeStates, family }: RoutingInput): readonly IpAddress[] {
  const own = new Set<IpAddress>();
  for (const { addresses } of configuration.mobileNetworks)
    for (const { address } of addresses) own.add(address);
  for (const { homeAddress } of configuration.homes) own.add(homeAddress);
  for (const { ipv4HomeAddress } of homeStates)
    if (ipv4HomeAddress !== undefined) own.add(ipv4HomeAddress);
  return [...own].filter((address) => familyOf(address) === family);
}

function rulesTo({ prefix, homeState }: RoutedPrefix, input: RoutingInput): readonly DesiredRule[] {
  const unreachable = unreachableTableOf(input);
  const homeLink = homeState?.homeLink;
  const outside = homeLink === undefined ? [TUN_DEVICE] : [TUN_DEVICE, homeLink.device];
  const spoofed = { ...ruleOf(input, 'ownPrefixFromOutside', unreachable), from: prefix };
  const inwards = {
    ...ruleOf(input, 'toPrefix', MAIN_TABLE),
    to: prefix,
    suppressPrefixLength: prefix.length - 1,
  };
  return [
    ...outside.map((inputDevice) => ({ ...spoofed, inputDevice })),
    ...[...networkDevices(input), OWN_TRAFFIC, ...outside].map((inputDevice) => ({
      ...inwards,
      inputDevice,
    })),
    { ...ruleOf(input, 'toPrefixElse', unreachable), to: prefix },
  ];
}

function rulesFrom(
  { prefix, homeState, homeLinkTable }: RoutedPrefix,
  input: RoutingInput,
): readonly DesiredRule[] {
  const closing = { ...ruleOf(input, 'fromPrefixElse', unreachableTableOf(input)), from: prefix };
  if (homeState === undefined) return [closing];
  const table = homeState.homeLink === undefined ? input.configuration.table : homeLinkTable;
  const outwards = { ...ruleOf(input, 'fromPrefix', table), from: prefix };
  return [
    ...[...networkDevices(input), OWN_TRAFFIC].map((inputDevice) => ({ ...outwards, inputDevice })),
    closing,
  ];
}

function rulesOfTransit(input: RoutingInput): readonly DesiredRule[] {
  const atHome = homeLinkDevices(input.homeStates);
  return input.egress
    .filter(({ name }) => !atHome.has(name))
    .flatMap(({ name: inputDevice }) => [
      { ...ruleOf(input, 'transit', MAIN_TABLE), inputDevice, suppressPrefixLength: 0 },
      { ...ruleOf(input, 'transitElse', unreachableTableOf(input)), inputDevice },
    ]);
}
