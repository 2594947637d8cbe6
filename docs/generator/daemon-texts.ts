/** Texts of the manual pages sojourn-<daemon>(8): one entry for each directory below daemons/. */

interface DaemonText {
  /** After `sojourn-ha -`. */
  readonly name: string;
  readonly paragraphs: readonly string[];
  readonly hasPublicKey?: true;
}

const MOBILE =
  'The daemon follows the interfaces of the host and keeps a tunnel from the preferred one ' +
  'to each ' +
  'home agent. When it stops, it restores all addresses, routes, rules and settings. The home ' +
  'agent keeps the binding until its lifetime ends, so that a restart continues it; ' +
  'deregisterOnStop ends it with every stop, and sojourn deregister at once.';

const ENROLLED =
  'sojourn enroll use, with a line of the home agent, makes the key and writes the ' +
  'configuration. Registrations and data are encrypted then, as with every home that has a ' +
  'publicKey. A home without one is not encrypted, and the daemon warns about it at each start.';

export const DAEMON_TEXTS: Readonly<Record<string, DaemonText>> = {
  ha: {
    name: 'home agent of Mobile IPv6',
    hasPublicKey: true,
    paragraphs: [
      'The home agent accepts registrations of mobile nodes and mobile routers (RFC 6275, ' +
        'RFC 5555, ' +
        'RFC 3963). It forwards packets for their home addresses and mobile networks through ' +
        'tunnels ' +
        'to their care-of addresses. Registrations and data of nodes with a public key are ' +
        'encrypted. It accepts only what an enrolment or the configuration grants to the node ' +
        'whose key authenticates the registration.',
      'sojourn setup ha writes a first configuration, and sojourn enroll add admits a node.',
      'It creates its key in its state directory at the first start. Nodes that are configured ' +
        'by hand need the public key, which --show-key prints.',
      'Bindings are in the store: a restarted home agent continues without waiting for ' +
        'registrations.',
    ],
  },
  mn: {
    name: 'mobile node of Mobile IPv6, and node of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'The mobile node keeps the home addresses of this host reachable on IPv6, on IPv4 and ' +
        'behind ' +
        'NATs (RFC 6275, RFC 5555).',
      ENROLLED,
      MOBILE,
      'With a section ntmobile, the host is also, or only, an NTMobile node: it logs in to ' +
        'an account ' +
        'server, has a name and virtual addresses, and reaches other nodes by name. A stub ' +
        'resolver on ' +
        'a loopback address answers for these names. The daemon configures ' +
        'systemd-resolved(8) or ' +
        'resolv.conf(5) so that applications ask it.',
      'The user of the unit may not write /etc/resolv.conf. Without systemd-resolved, either ' +
        'enter the ' +
        "stub there by hand, or run the unit as root, still without root's capabilities: " +
        'User=root, ' +
        'Group=root and ReadWritePaths=/etc in a drop-in.',
    ],
  },
  mr: {
    name: 'mobile router (network mobility)',
    hasPublicKey: true,
    paragraphs: [
      'The mobile router is a mobile node with a network behind it (RFC 3963). Ordinary ' +
        'hosts there ' +
        'keep their addresses and connections while the router moves. radvd(8) and ' +
        'dnsmasq(8) assign ' +
        'their addresses; the examples show how.',
      ENROLLED,
      MOBILE,
    ],
  },
  cn: {
    name: 'correspondent node of Mobile IPv6',
    paragraphs: [
      'The correspondent node makes the host reachable by direct paths: a mobile node that is ' +
        'away from home and this host exchange packets without a detour by the home agent (route ' +
        'optimization, RFC 6275). Any mobile node may register that proves by return routability ' +
        'that it receives packets at its home address and at its care-of address; no key is ' +
        'needed. Packets of other hosts, and of mobile nodes that do not register, are as before.',
      'Applications see home addresses only. Packets that the host forwards for others take no ' +
        'direct path.',
      'The daemon keeps nothing over a restart: mobile nodes register again.',
    ],
  },
  as: {
    name: 'account server of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'The account server keeps accounts and their devices. It signs the credentials by ' +
        'which nodes, ' +
        'direction coordinators and relays authenticate each other. Nodes log in over HTTPS ' +
        '(TLS 1.3). ' +
        'Create accounts while it runs: sojourn as account add.',
      'It creates its keys in its state directory at the first start, and a certificate ' +
        'unless one is ' +
        'configured. Back up this directory.',
      'Direction coordinators and relays need the public key of its authority, which --show-key ' +
        'prints, also before the first start.',
    ],
  },
  dc: {
    name: 'direction coordinator of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'The direction coordinator knows where the nodes of its zone are. It tells two nodes ' +
        'how to reach ' +
        'each other, directly or through a relay, and is the name server of the zone.',
      'It creates its key in its state directory at the first start. Account servers and ' +
        'relays need ' +
        'the public key, which --show-key prints.',
    ],
  },
  rsn: {
    name: 'relay of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'The relay forwards sealed datagrams between nodes that cannot reach each other ' +
        'directly; it ' +
        'cannot read them. It also connects nodes with servers without NTMobile. It ' +
        'registers with ' +
        'direction coordinators, which direct nodes to it.',
    ],
  },
};
