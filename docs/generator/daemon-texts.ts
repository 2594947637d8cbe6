/**
 * What the manual page of each daemon says beside its options: one entry for each directory below
 * daemons/.
 */

export interface DaemonText {
  /** Behind `sojourn-ha -`. */
  readonly name: string;
  readonly paragraphs: readonly string[];
  readonly hasPublicKey?: true;
}

const MOBILE =
  'It follows the interfaces of the host as they come and go, and keeps a tunnel from the best of them to each of its home agents. When it is told to stop ' +
  'it says goodbye to them and gives back every address, route, rule and setting.';

export const DAEMON_TEXTS: Readonly<Record<string, DaemonText>> = {
  ha: {
    name: 'home agent of Mobile IPv6',
    paragraphs: [
      'Accepts registrations of mobile nodes and mobile routers (RFC 6275, RFC 5555, RFC 3963) and forwards what is sent to their home addresses and mobile ' +
        'networks through tunnels to where they are. A registration is accepted for what the configuration grants to the node whose key authenticates it (RFC ' +
        '4285), and for nothing else.',
      'Bindings are kept in the store: a home agent that is started again goes on where it was, without waiting for new registrations.',
    ],
  },
  mn: {
    name: 'mobile node of Mobile IPv6, and node of NTMobile',
    paragraphs: [
      'Keeps the home address of this host reachable wherever it is (RFC 6275, RFC 5555), on IPv6, IPv4 and behind NATs.',
      MOBILE,
      'With a section ntmobile the host is (also, or only) a node of NTMobile: it logs in to an account server, has a name and virtual addresses, and reaches ' +
        'other nodes by their names. A stub on the loopback answers for these names; applications are made to ask it through systemd-resolved(8) or ' +
        'resolv.conf(5).',
      'Under its own unit the daemon is no owner of /etc/resolv.conf. Where systemd-resolved is not in use, either name the stub there by hand, or let the unit ' +
        "run as root, still without root's capabilities: User=root, Group=root and ReadWritePaths=/etc in a drop-in.",
    ],
  },
  mr: {
    name: 'mobile router (network mobility)',
    paragraphs: [
      'A mobile node with a network behind it (RFC 3963): ordinary hosts there keep their addresses and their connections while the router moves, and know ' +
        'nothing of it. radvd(8) and dnsmasq(8) serve the network itself; the examples show how.',
      MOBILE,
    ],
  },
  as: {
    name: 'account server of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'Keeps accounts and their devices, and signs the credentials by which nodes, direction coordinators and relays know each other. Nodes log in by HTTPS ' +
        '(TLS 1.3). Accounts are made while it runs: sojourn as account add.',
      'It makes its keys and, unless one is configured, a certificate at the first start, in its state directory. Back that up.',
      'Direction coordinators and relays are told the public key of its authority, which --show-key prints, also before the first start.',
    ],
  },
  dc: {
    name: 'direction coordinator of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'Knows where the nodes of its zone are, tells two of them how to reach each other, directly or through a relay, and is the name server of the zone.',
      'It makes its key at the first start, in its state directory. Account servers and relays are told the public key, which --show-key prints.',
    ],
  },
  rsn: {
    name: 'relay of NTMobile',
    hasPublicKey: true,
    paragraphs: [
      'Passes sealed datagrams on between nodes that cannot reach each other directly, without being able to read them, and joins nodes with servers that know ' +
        'nothing of NTMobile. It registers with direction coordinators, which send nodes to it.',
    ],
  },
};
