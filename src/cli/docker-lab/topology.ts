/** The facts about compose.yaml that the command line needs; test/docker compares both. */

/** Networks that a node can be connected to. */
export const ACCESS_NETWORKS = {
  ar6: 'IPv6 only',
  ar4: 'IPv4 only',
  ds: 'IPv6 and IPv4',
  'nat-cone': 'IPv4 behind a full cone NAT',
  'nat-sym': 'IPv4 behind a symmetric NAT',
} as const;
export type AccessNetwork = keyof typeof ACCESS_NETWORKS;

/** Nodes that move, with their first networks. */
export const MOVING_NODES = {
  mn: 'ar4',
  mn2: 'nat-cone',
  mn3: 'nat-sym',
  mr: 'ar6',
} as const satisfies Record<string, AccessNetwork>;
export type MovingNode = keyof typeof MOVING_NODES;

export const ADDRESSES = {
  correspondent6: '2001:db8:f::10',
  correspondent4: '198.51.100.10',
  /** Home addresses of `mn`. */
  home6: '2001:db8:200::10',
  home4: '203.0.113.10',
  /** Servers of one family each, by name. */
  onlyIpv6: 'cn6.example',
  onlyIpv4: 'cn4.example',
  /** Name of the NTMobile node `mn3` for other nodes. */
  node: 'mn3.nodes.example',
} as const;

export function isAccessNetwork(name: string): name is AccessNetwork {
  return Object.hasOwn(ACCESS_NETWORKS, name);
}

export function isMovingNode(name: string): name is MovingNode {
  return Object.hasOwn(MOVING_NODES, name);
}

/** The name of a container or network of compose.yaml in Docker. */
export function dockerName(name: string): string {
  return `sojourn-${name}`;
}
