/**
 * The answers of daemons to each query of `sojourn`: the source of docs/reference/cli.md, and the
 * schema that a test compares real answers with. A name that ends in `?` may be absent or null. The
 * listed members are stable in name and meaning.
 */

type Fields = Readonly<Record<string, string>>;

export interface AnswerForm {
  /** Names under daemons/. */
  readonly daemons: readonly string[];
  /** One object, or a list of them. */
  readonly shape: 'object' | 'list';
  readonly fields: Fields;
}

interface Query {
  readonly about: string;
  readonly forms: readonly AnswerForm[];
}

const MOBILE = ['mn', 'mr'] as const;
const HOST: Fields = {
  host:
    'desired state of the kernel: `parts` (their number), `pending` (refused by the kernel: ' +
    '`what`, `error`) and `counters`',
  driver:
    'counters of the driver, `storeFailures`, `storeBacklog`, and while the store cannot be ' +
    'written the reason in `storeFault`',
};

const BINDING_LIST: Fields = {
  home: 'name of the home',
  homeAgent: 'address of the home agent',
  homeAddress: 'IPv6 home address',
  careOfAddress: 'care-of address',
  lifetimeSeconds: 'granted lifetime, in seconds',
  remainingSeconds: 'remaining lifetime, in seconds',
  sequence: 'sequence number',
  acknowledged: 'whether the home agent has acknowledged it',
  encapsulation: '`ipip`, `udp`, `sealed` or `esp`',
  nat: 'whether a NAT is on the path',
  'mobileRouter?': 'true for a mobile router',
  'mobileNetworkPrefixes?': 'registered prefixes',
};

const TUNNEL: Fields = {
  id: 'number of the tunnel, valid until the daemon stops',
  encapsulation: 'ipip, udp, sealed, esp or optimized',
  local: 'own outer address',
  localPort: 'own port; 0 without UDP',
  remote: 'outer address of the peer',
  remotePort: 'port of the peer; 0 without UDP',
  'traffic?':
    'packets and octets of each direction, the current MTU, and the time of the last packet ' +
    'received',
};

const NODE: Fields = {
  name: 'domain name of the node',
  nodeId: 'its id, in hexadecimal digits',
  virtualIpv6: 'its virtual IPv6 address',
  virtualIpv4: 'its virtual IPv4 address',
  remote: "source address of the node's datagrams",
  remotePort: "source port of the node's datagrams",
};

export const QUERIES: Readonly<Record<string, Query>> = {
  status: {
    about: 'state of the daemon; exit code 1 if a registration is missing',
    forms: [
      {
        daemons: ['ha'],
        shape: 'object',
        fields: {
          role: '`home-agent`',
          addresses: 'IPv6 addresses of the home agent',
          ipv4Addresses: 'IPv4 addresses of the home agent',
          'homeLink?': 'interface of the home link; null for a virtual home network',
          mobileNodes: 'number of configured mobile nodes',
          bindings: 'number of bindings',
          unencryptedBindings: 'number of those whose data is not encrypted',
          pending: 'number of registrations that wait for duplicate address detection',
          clockBehindSeconds:
            'how much the clock of this host is at least behind, by registrations accepted before',
          tunnels: 'number of tunnels',
          insecure: 'whether registrations need no authentication',
          ...HOST,
        },
      },
      {
        daemons: MOBILE,
        shape: 'object',
        fields: {
          role: '`mobile-node` or `mobile-router`',
          'killSwitch?':
            '`closed` or `lifted`; `closing` or `opening` until nft accepts that; absent without ' +
            '`killSwitch`',
          homes:
            'one entry for each home: `home`, `phase`, `homeAddress`, `ipv4HomeAddress`, ' +
            '`careOfAddress`, `interface`, `encapsulation`, `encrypted`, ' +
            '`cipher`, `postQuantum`, `registrationProtection`, ' +
            '`homeAgent`, `homeAgentAddresses`, `silentPaths` (`interface`, `gateway`, ' +
            '`family`, `failures`, `silentSeconds`, `retrySeconds`), `sequence`, ' +
            '`clockOffsetMs`, `lastHandover` (`to`, `atWallMs`, `roundTripMs`) and `bindings` ' +
            'as in `sojourn bul`; for a mobile router also `registrationMode`, ' +
            '`mobileNetworkPrefixes`, `lastRefusal` and `forwarding`',
          'ntmobile?':
            'for an NTMobile node: `name`, `virtualIpv6`, `virtualIpv4`, ' +
            '`credentialSeconds`, `loginFailure`, `coordinator` (its state), ' +
            '`coordinatorName`, ' +
            '`localAddresses`, `nat`, `relays` and `paths` as in `sojourn paths`',
          ...HOST,
        },
      },
      {
        daemons: ['cn'],
        shape: 'object',
        fields: {
          role: '`correspondent-node`',
          addresses: 'IPv6 addresses that mobile nodes may register at',
          bindings: 'number of bindings',
          maximumBindings: 'largest number of bindings',
          ...HOST,
        },
      },
      {
        daemons: ['dc'],
        shape: 'object',
        fields: {
          role: '`direction-coordinator`',
          zone: 'domain whose names it serves',
          publicKey: 'its public key, X25519',
          registrations: 'number of registered nodes',
          generalNodes: 'number of names of servers without NTMobile that have addresses',
          ...HOST,
        },
      },
      {
        daemons: ['rsn'],
        shape: 'object',
        fields: {
          role: '`relay`',
          publicKey: 'its public key, X25519',
          endpoints: 'its endpoints for nodes: `address`, `port`',
          registrations: 'one entry for each coordinator: `coordinator`, `session`, `registered`',
          nodes: 'number of nodes with a session',
          legs: 'number of legs of paths',
          generalNodes: 'number of hosts without NTMobile that nodes reach through it',
          directedNodes: 'number of nodes that reach such hosts',
          loadThousandths: 'used part of its limits, in thousandths',
          ...HOST,
        },
      },
      {
        daemons: ['as'],
        shape: 'object',
        fields: {
          role: '`account-server`',
          address: 'address of HTTPS',
          port: 'port of HTTPS',
          zone: "domain of the nodes' names",
          systemPrefix: 'prefix of all virtual IPv6 addresses',
          publicKey: 'its public key for login proofs, X25519',
          certificate: '`fingerprint`, `selfSigned`, `subject` and `notAfter`',
          accounts: 'number of accounts',
          disabledAccounts: 'number of disabled accounts',
          devices: 'number of devices',
          'storeFault?': 'why accounts cannot be changed, and logins are refused',
        },
      },
    ],
  },
  bindings: {
    about:
      'binding cache of a home agent or correspondent node; binding update list of a mobile node',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: {
          homeAddress: 'IPv6 home address',
          'ipv4HomeAddress?': 'IPv4 home address',
          careOfAddress: 'care-of address',
          encapsulation: '`ipip`, `udp`, `sealed` or `esp`',
          encrypted: 'whether registrations and data are encrypted',
          'postQuantum?': 'whether the keys of data depend on ML-KEM too; null without keys',
          registrationProtection:
            'what protects the registration, such as `sealed`, `ESP (aes-gcm-16)` or `none`',
          remote: 'outer address of the tunnel; behind a NAT it differs from the care-of address',
          remotePort: 'port of the tunnel; 0 without UDP',
          tunnel: 'id of the tunnel',
          lifetimeSeconds: 'granted lifetime, in seconds',
          remainingSeconds: 'remaining lifetime, in seconds',
          sequence: 'sequence number of the last Binding Update',
          nat: 'whether a NAT is on the path',
          'identifier?': 'network access identifier of the mobile node',
          mobileRouter: 'whether the node is a mobile router',
          mobileNetworkPrefixes: 'prefixes that are forwarded to the mobile router',
        },
      },
      { daemons: MOBILE, shape: 'list', fields: BINDING_LIST },
      {
        daemons: ['cn'],
        shape: 'list',
        fields: {
          homeAddress: 'home address',
          careOfAddress: 'care-of address, where packets go',
          correspondentAddress: 'address of this host that the binding is for',
          tunnel: 'id of the path',
          lifetimeSeconds: 'granted lifetime, in seconds',
          remainingSeconds: 'remaining lifetime, in seconds',
          sequence: 'sequence number of the last Binding Update',
        },
      },
    ],
  },
  bul: {
    about: 'binding update list of a mobile node',
    forms: [{ daemons: MOBILE, shape: 'list', fields: BINDING_LIST }],
  },
  prefixes: {
    about: 'mobile network prefixes that a home agent grants, and their forwarding',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: {
          prefix: 'prefix of the mobile network',
          'identifier?': 'network access identifier of its router',
          'homeAddress?': 'home address of its router',
          forwarded: 'whether the home agent forwards it now',
          'careOfAddress?': 'care-of address of its router',
          'tunnel?': 'id of the tunnel',
        },
      },
    ],
  },
  nodes: {
    about:
      'NTMobile nodes that are registered with a direction coordinator or have a session ' +
      'with a relay',
    forms: [
      {
        daemons: ['dc'],
        shape: 'list',
        fields: {
          ...NODE,
          active: 'whether the registration is valid; the name remains for a while after it',
          session: 'whether a session with keys exists',
        },
      },
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: {
          ...NODE,
          validated: 'whether the address is validated',
          legs: 'number of its legs',
        },
      },
    ],
  },
  tunnels: {
    about: 'tunnels: endpoints, MTU and traffic',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: { ...TUNNEL, bindings: 'number of bindings that use it' },
      },
      { daemons: ['cn'], shape: 'list', fields: { ...TUNNEL, homeAddress: 'home address' } },
      {
        daemons: MOBILE,
        shape: 'list',
        fields: {
          ...TUNNEL,
          mtu: 'largest inner packet, before any path MTU discovery',
          'home?': 'name of the home',
          'homes?': 'names of the homes that use it',
          'peer?': 'NTMobile: domain name of the peer',
          'relayIndex?': 'NTMobile: index of the leg of a path through a relay',
        },
      },
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: { ...TUNNEL, name: 'domain name of the node', addresses: 'its virtual addresses' },
      },
    ],
  },
  paths: {
    about: 'paths of an NTMobile node to other nodes, direct or through a relay',
    forms: [
      {
        daemons: ['mn'],
        shape: 'list',
        fields: {
          name: 'domain name of the peer',
          'virtualIpv6?': 'virtual IPv6 address of the peer',
          'virtualIpv4?': 'virtual IPv4 address of the peer',
          kind: 'direct, relayed, general or none',
          up: 'whether the path carries data',
          direct: 'whether the path is direct',
          'local?': 'own address',
          'remote?': 'address that data is sent to',
          'remotePort?': 'port that data is sent to',
          'sinceWallMs?': 'time since when the path has this kind, in milliseconds since 1970',
          'roundTripMs?': 'round-trip time, in milliseconds',
        },
      },
    ],
  },
  legs: {
    about: 'legs of paths that a relay joins',
    forms: [
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: {
          index: 'index in the relay header',
          peerIndex: 'index of the other leg of the path; 0 while it is missing',
          pathId: 'id of the path, in hexadecimal digits',
          role: '`initiator` or `responder`',
          name: 'domain name of the node',
          remote: 'address of the node',
          remotePort: 'port of the node',
          validated: 'whether the address of the node is validated',
          rateKilobits: 'rate limit of the node, in kilobits a second',
          'traffic?': 'forwarded packets and octets of each direction, and drops',
        },
      },
    ],
  },
  general: {
    about: 'hosts without NTMobile that nodes reach through a relay',
    forms: [
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: {
          name: 'domain name of the host',
          virtualIpv6: 'virtual IPv6 address for nodes',
          'virtualIpv4?': 'virtual IPv4 address for nodes',
          'realIpv6?': 'real IPv6 address',
          'realIpv4?': 'real IPv4 address',
          translated: 'families whose packets are translated into the other family',
          nodes: 'number of nodes that use it',
        },
      },
    ],
  },
  stats: {
    about: 'counters, with the names of docs/reference/metrics.md',
    forms: [
      {
        daemons: ['ha', 'cn', ...MOBILE],
        shape: 'object',
        fields: {
          'acknowledgements?': 'Binding Acknowledgements by status',
          plane: 'counters of the data plane',
          driver: 'counters of the driver',
          'ntmobile?': 'counters of an NTMobile node',
          '*': 'each counter of the protocol under its name',
        },
      },
      {
        daemons: ['dc', 'rsn'],
        shape: 'object',
        fields: {
          plane: 'counters of the data plane, or of the sockets',
          'names?': 'counters of the name server of a coordinator',
          driver: 'counters of the driver',
          '*': 'each counter of the protocol under its name',
        },
      },
      { daemons: ['as'], shape: 'object', fields: { '*': 'each counter under its name' } },
    ],
  },
};
