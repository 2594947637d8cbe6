import { configureNamespace, type NamespacePlan } from './configure-namespace.ts';
import {
  type LabMobileRouter,
  MOBILE_ROUTERS,
  type MobileRouterName,
  prefixesOf,
} from './mobile-networks.ts';
import { natRules } from './nat.ts';
import type { Network, NetworkName } from './network.ts';
import { ADDRESSES, coreLink, NETWORKS } from './networks.ts';
import { ipBatch } from './shell.ts';

/**
 * Optional hosts at the core: `ha2` for another home agent; `as`, `dc` and `rsn` for NTMobile;
 * `teredo` for Teredo.
 */
export type LabServer = 'server6' | 'server4' | 'ha2' | 'as' | 'dc' | 'rsn' | 'teredo';

/** Options of the builder. */
export interface Design {
  readonly networks: readonly NetworkName[];
  /** Nodes that can be plugged in, each with its interfaces. */
  readonly nodes: Readonly<Record<string, readonly string[]>>;
  readonly servers: readonly LabServer[];
  readonly mobileRouters: readonly MobileRouterName[];
  /**
   * True: the core has no static routes to the mobile networks and learns them from a routing
   * daemon.
   */
  readonly mobileNetworksAnnounced: boolean;
  /** True: links below the core go through a link process in the fabric. */
  readonly linkProcess: boolean;
  readonly lossPercent: number;
  readonly segmentationOffload: boolean;
}

/** Collects all commands first and then applies them with few processes. */
class Plan {
  readonly namespaces = new Map<string, NamespacePlan>();
  readonly links: string[] = [];

  namespace(name: string): NamespacePlan {
    const known = this.namespaces.get(name);
    if (known !== undefined) return known;
    const namespace: NamespacePlan = {
      interfaces: [],
      settings: [],
      ip: ['link set lo up'],
      rules: [],
    };
    this.namespaces.set(name, namespace);
    return namespace;
  }

  /** A cable between two namespaces, both ends up. */
  cable(
    left: readonly [namespace: string, name: string],
    right: readonly [namespace: string, name: string],
    options = '',
  ): void {
    this.links.push(
      `link add name ${left[1]} ${options} netns ${left[0]} type veth peer name ${right[1]} ` +
        `netns ${right[0]}`,
    );
    for (const [namespace, name] of [left, right]) {
      this.namespace(namespace).interfaces.push(name);
      this.namespace(namespace).ip.push(`link set ${name} up`);
    }
  }
}

/** Name of the fabric's end of a node's cable. */
export function cableEnd(node: string, name: string): string {
  return `${node}-${name}`;
}

/**
 * Builds namespaces, links, addresses, routes and rules. The caller adds services, link processes
 * and moves.
 */
export async function build(design: Design): Promise<readonly string[]> {
  const plan = new Plan();
  planCore(plan, design);
  for (const name of design.networks) planNetwork(plan, NETWORKS[name], design);
  for (const [index, [node, names]] of Object.entries(design.nodes).entries())
    planNode(plan, node, names, index);
  for (const name of design.mobileRouters) planMobileNetwork(plan, MOBILE_ROUTERS[name], design);
  plan
    .namespace('fabric')
    .settings.push(
      'ipv6/conf/all/disable_ipv6 1',
      '?bridge/bridge-nf-call-iptables 0',
      '?bridge/bridge-nf-call-ip6tables 0',
    );
  const names = [...plan.namespaces.keys()];
  await ipBatch([...names.map((name) => `netns add ${name}`), ...plan.links]);
  await Promise.all(
    [...plan.namespaces].map(([name, namespace]) => configureNamespace(name, namespace, design)),
  );
  return names;
}

function planCore(plan: Plan, design: Design): void {
  const core = plan.namespace('core');
  router(core);
  core.ip.push(
    'address add 2001:db8:f::53/128 dev lo nodad',
    'address add 198.51.100.253/32 dev lo',
  );
  planHost(plan, 'cn', 2);
  plan
    .namespace('cn')
    .ip.push(
      `address add ${ADDRESSES.correspondentOtherIpv6}/128 dev lo nodad`,
      `address add ${ADDRESSES.correspondentOtherIpv4}/32 dev lo`,
    );
  const { far4, far6 } = coreLink(2);
  core.ip.push(`route add 2001:db8:c::/64 via ${far6}`, `route add 203.0.113.192/28 via ${far4}`);
  if (design.servers.includes('server6')) planHost(plan, 'server6', 3, [6]);
  if (design.servers.includes('server4')) planHost(plan, 'server4', 4, [4]);
  if (design.servers.includes('ha2')) planOtherHomeAgent(plan);
  if (design.servers.includes('as')) planHost(plan, 'as', 6);
  if (design.servers.includes('dc')) planHost(plan, 'dc', 7);
  if (design.servers.includes('rsn')) planHost(plan, 'rsn', 8);
  if (design.servers.includes('teredo')) planTeredo(plan);
  if (design.lossPercent > 0) core.rules.push(lossRules(design));
}

/**
 * A host that can be a home agent. Its home network and the mobile networks of its routers are
 * routed to it.
 */
function planOtherHomeAgent(plan: Plan): void {
  planHost(plan, 'ha2', 5);
  const { far4, far6 } = coreLink(5);
  plan
    .namespace('core')
    .ip.push(
      `route add ${ADDRESSES.otherHomePrefix} via ${far6}`,
      `route add ${ADDRESSES.otherMobileNetwork} via ${far6}`,
      `route add ${ADDRESSES.otherHomeNetworkIpv4} via ${far4}`,
      `route add ${ADDRESSES.otherMobileNetworkIpv4} via ${far4}`,
    );
}

/**
 * A Teredo server with its two IPv4 addresses, and a relay on the same host. The prefix of Teredo
 * addresses (RFC 4380 §2.6) is routed to it.
 */
function planTeredo(plan: Plan): void {
  planHost(plan, 'teredo', 9);
  const { far4, far6 } = coreLink(9);
  const { teredoIpv4, teredoOtherIpv4 } = ADDRESSES;
  const host = plan.namespace('teredo');
  router(host);
  host.ip.push(`address add ${teredoIpv4}/32 dev lo`, `address add ${teredoOtherIpv4}/32 dev lo`);
  plan
    .namespace('core')
    .ip.push(
      `route add ${teredoIpv4}/32 via ${far4}`,
      `route add ${teredoOtherIpv4}/32 via ${far4}`,
      `route add 2001::/32 via ${far6}`,
    );
}

/**
 * Loss without a link process, on packets to and from a visited network. A super-packet counts as
 * one packet.
 */
function lossRules(design: Design): string {
  const names = design.networks
    .filter((name) => name !== 'home')
    .map((name) => `"to-${name}"`)
    .join(', ');
  const threshold = Math.round(design.lossPercent * 1000);
  return `table inet loss {
  chain through {
    type filter hook forward priority filter
    iifname { ${names} } numgen random mod 100000 < ${threshold} counter drop
    oifname { ${names} } numgen random mod 100000 < ${threshold} counter drop
  }
}
`;
}

/** A host with one link to the core. */
function planHost(
  plan: Plan,
  name: string,
  index: number,
  families: readonly (4 | 6)[] = [4, 6],
): void {
  plan.cable(['core', `to-${name}`], [name, 'wan']);
  uplink(plan, name, `to-${name}`, index, families);
}

/** Addresses of both ends of a link to the core and the neighbour's default routes. */
function uplink(
  plan: Plan,
  name: string,
  coreName: string,
  index: number,
  families: readonly (4 | 6)[],
): void {
  const { core4, far4, core6, far6 } = coreLink(index);
  const core = plan.namespace('core').ip;
  const far = plan.namespace(name).ip;
  if (families.includes(4)) {
    core.push(`address add ${core4}/30 dev ${coreName}`);
    far.push(`address add ${far4}/30 dev wan`, `route add default via ${core4}`);
  }
  if (families.includes(6)) {
    core.push(`address add ${core6}/64 dev ${coreName} nodad`);
    far.push(`address add ${far6}/64 dev wan nodad`, `route add default via ${core6}`);
  }
}

function planNetwork(plan: Plan, network: Network, design: Design): void {
  const { name, index } = network;
  const home = name === 'home';
  const outer = network.nat.length > 1 ? `${name}-isp` : name;
  if (design.linkProcess && !home) {
    plan.cable(['core', `to-${name}`], ['fabric', `d-${name}-a`]);
    plan.cable(['fabric', `d-${name}-b`], [outer, 'wan']);
  } else {
    plan.cable(['core', `to-${name}`], [outer, 'wan']);
  }
  const families = home
    ? ([4, 6] as const)
    : [...(network.ipv4 ? ([4] as const) : []), ...(network.ipv6 ? ([6] as const) : [])];
  uplink(plan, outer, `to-${name}`, index, families);
  router(plan.namespace(outer));
  if (outer !== name) planCarrier(plan, network, outer);
  planLink(plan, network, home ? 'home0' : 'lan');
  planRoutes(plan, network);
  if (!home) plan.namespace(name).rules.push(ingressFilter(network));
}

/** The carrier's NAT behind a home NAT. */
function planCarrier(plan: Plan, network: Network, outer: string): void {
  plan.cable([outer, 'lan'], [network.name, 'wan']);
  router(plan.namespace(network.name));
  plan.namespace(outer).ip.push('address add 10.77.0.1/24 dev lan');
  plan
    .namespace(network.name)
    .ip.push('address add 10.77.0.2/24 dev wan', 'route add default via 10.77.0.1');
  const kind = network.nat[1];
  if (kind !== undefined) plan.namespace(outer).rules.push(natRules(kind));
}

/** The link that nodes are plugged into, and its router's addresses. */
function planLink(plan: Plan, network: Network, lan: string): void {
  const { name, ipv4, ipv6 } = network;
  const bridge = `br-${name}`;
  plan.links.push(
    `link add name ${bridge} netns fabric type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
  );
  plan.cable([name, lan], ['fabric', `lan-${name}`]);
  plan
    .namespace('fabric')
    .ip.push(`link set ${bridge} up`, `link set lan-${name} master ${bridge}`);
  const namespace = plan.namespace(name);
  if (ipv4 !== undefined)
    namespace.ip.push(`address add ${ipv4.router}/${ipv4.prefixLength} dev ${lan}`);
  if (ipv6 !== undefined) namespace.ip.push(`address add ${ipv6}::1/64 dev ${lan} nodad`);
  const kind = network.nat[0];
  if (kind !== undefined) namespace.rules.push(natRules(kind));
}

/** The core's routes to a network; none to addresses behind a NAT. */
function planRoutes(plan: Plan, network: Network): void {
  const { far4, far6 } = coreLink(network.index);
  const core = plan.namespace('core').ip;
  if (network.ipv6 !== undefined) core.push(`route add ${network.ipv6}::/64 via ${far6}`);
  if (network.ipv4 !== undefined && network.nat.length === 0)
    core.push(`route add ${network.ipv4.network} via ${far4}`);
  if (network.name !== 'home') return;
  core.push(
    `route add ${ADDRESSES.virtualHomePrefix} via ${far6}`,
    `route add ${ADDRESSES.virtualHomeNetworkIpv4} via ${far4}`,
  );
}

/**
 * Ingress filter (BCP 38): counts and drops packets from the link whose source is outside the
 * link's prefix.
 */
function ingressFilter(network: Network): string {
  const ipv4 =
    network.ipv4 === undefined
      ? ''
      : `iifname "lan" ip saddr != ${network.ipv4.network} counter drop`;
  const ipv6 =
    network.ipv6 === undefined
      ? ''
      : `iifname "lan" ip6 saddr != ${network.ipv6}::/64 counter drop`;
  return `table inet ingress {
  chain through {
    type filter hook forward priority filter - 10
    ${ipv4}
    ${ipv6}
  }
}
`;
}

/** The link behind a mobile router. The daemon sets the router's addresses there. */
function planMobileNetwork(plan: Plan, router: LabMobileRouter, design: Design): void {
  const { name, lan } = router;
  const bridge = `br-${lan}`;
  plan.links.push(
    `link add name ${bridge} netns fabric type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
  );
  plan.cable([name, 'lan0'], ['fabric', lan]);
  plan.namespace('fabric').ip.push(`link set ${bridge} up`, `link set ${lan} master ${bridge}`);
  // The default of an ordinary host; the daemon has to change it.
  plan.namespace(name).settings.push('ipv6/conf/eth0/accept_ra 1');
  if (design.mobileNetworksAnnounced) return;
  const { far4, far6 } = coreLink(NETWORKS.home.index);
  const [ipv6, ipv4] = prefixesOf(router);
  plan.namespace('core').ip.push(`route add ${ipv6} via ${far6}`, `route add ${ipv4} via ${far4}`);
}

/**
 * A node whose cables have no carrier yet. Its kernel configures addresses as a host does (RFC
 * 4862), with optimistic addresses (RFC 4429).
 */
function planNode(plan: Plan, node: string, names: readonly string[], index: number): void {
  const namespace = plan.namespace(node);
  for (const [number, name] of names.entries()) {
    const end = cableEnd(node, name);
    const address = `02:00:00:00:${hexOctet(index + 1)}:${hexOctet(number)}`;
    plan.links.push(
      `link add name ${name} address ${address} netns ${node} type veth peer name ${end} ` +
        'netns fabric',
    );
    plan.namespace('fabric').interfaces.push(end);
    namespace.interfaces.push(name);
    namespace.settings.push(
      `ipv6/conf/${name}/accept_ra 2`,
      `?ipv6/conf/${name}/optimistic_dad 1`,
      `?ipv6/conf/${name}/use_optimistic 1`,
      `ipv4/conf/${name}/rp_filter 2`,
    );
    namespace.ip.push(`link set ${name} up`);
  }
}

function hexOctet(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/**
 * Settings of a router: forwards both families, uses its addresses without duplicate address
 * detection, sends no redirects.
 */
function router(namespace: NamespacePlan): void {
  namespace.settings.push(
    'ipv4/ip_forward 1',
    'ipv6/conf/all/forwarding 1',
    'ipv4/conf/all/rp_filter 0',
    'ipv4/conf/all/send_redirects 0',
    'ipv4/conf/default/send_redirects 0',
    'EACH ipv6/conf/%/accept_dad 0',
    'EACH ipv6/conf/%/dad_transmits 0',
    'EACH ipv4/conf/%/rp_filter 0',
    'EACH ipv4/conf/%/send_redirects 0',
  );
}
