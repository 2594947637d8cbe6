/**
 * What daemons answer to each question of `sojourn`: the single source of docs/reference/cli.md,
 * and of what a test holds real answers to. A name that ends in `?` may be absent or null; members
 * that are here stay, under the same name and with the same meaning.
 */

export type Fields = Readonly<Record<string, string>>;

export interface AnswerForm {
  /** Names under daemons/. */
  readonly daemons: readonly string[];
  /** One object, or a list of them. */
  readonly shape: 'object' | 'list';
  readonly fields: Fields;
}

export interface Question {
  readonly about: string;
  readonly forms: readonly AnswerForm[];
}

const MOBILE = ['mn', 'mr'] as const;

const HOST: Fields = {
  host: '`parts`: how many wishes there are; `pending`: what the kernel refuses now (`what`, `error`); `counters`',
  driver: 'counters of the driver, `storeFailures` and `storeBacklog`',
};

const BINDING_LIST: Fields = {
  home: 'name of the home',
  homeAgent: 'address of the home agent',
  homeAddress: 'IPv6 home address',
  careOfAddress: 'care-of address',
  lifetimeSeconds: 'granted lifetime, in seconds',
  remainingSeconds: 'what is left of it, in seconds',
  sequence: 'sequence number',
  acknowledged: 'whether the home agent has acknowledged it',
  encapsulation: 'ipip or udp',
  nat: 'whether a NAT is on the way',
  'mobileRouter?': 'true of a mobile router',
  'mobileNetworkPrefixes?': 'prefixes that were registered',
};

const TUNNEL: Fields = {
  id: 'number of the tunnel, as long as the daemon runs',
  encapsulation: 'ipip, udp or sealed',
  local: 'own outer address',
  localPort: 'own port; 0 without UDP',
  remote: 'outer address of the other end',
  remotePort: 'port of the other end; 0 without UDP',
  'traffic?': 'packets and octets each way, the MTU at present, and when something came last',
};

const NODE: Fields = {
  name: 'domain name of the node',
  nodeId: 'its id, in hexadecimal digits',
  virtualIpv6: 'its virtual IPv6 address',
  virtualIpv4: 'its virtual IPv4 address',
  remote: 'address that it is seen at',
  remotePort: 'port that it is seen at',
};

export const QUESTIONS: Readonly<Record<string, Question>> = {
  status: {
    about: 'how the daemon is; exit 1 where something is not registered',
    forms: [
      {
        daemons: ['ha'],
        shape: 'object',
        fields: {
          role: 'home-agent',
          addresses: 'IPv6 addresses of the home agent',
          ipv4Addresses: 'IPv4 addresses of the home agent',
          'homeLink?': 'interface of the home link; null: the home network is virtual',
          mobileNodes: 'how many mobile nodes are configured',
          bindings: 'how many bindings there are',
          pending: 'registrations that wait for duplicate address detection',
          tunnels: 'how many tunnels there are',
          insecure: 'whether registrations need no authentication',
          ...HOST,
        },
      },
      {
        daemons: MOBILE,
        shape: 'object',
        fields: {
          role: 'mobile-node or mobile-router',
          homes:
            'one of each home: `home`, `phase`, `homeAddress`, `ipv4HomeAddress`, `careOfAddress`, `interface`, `encapsulation`, `homeAgent`, ' +
            '`homeAgentAddresses`, `sequence`, `clockOffsetMs`, `lastHandover` (`to`, `atWallMs`, `roundTripMs`) and `bindings` as `sojourn bul` tells them; ' +
            'of a mobile router also `registrationMode`, `mobileNetworkPrefixes`, `lastRefusal` and `forwarding`',
          'ntmobile?':
            'of an NTMobile node: `name`, `virtualIpv6`, `virtualIpv4`, `credentialSeconds`, `loginFailure`, `coordinator` (its state), `coordinatorName`, ' +
            '`localAddresses`, `nat`, `relays` and `paths` as `sojourn paths` tells them',
          ...HOST,
        },
      },
      {
        daemons: ['dc'],
        shape: 'object',
        fields: {
          role: 'direction-coordinator',
          zone: 'domain whose names it serves',
          publicKey: 'its public key, X25519',
          registrations: 'how many nodes are registered',
          ...HOST,
        },
      },
      {
        daemons: ['rsn'],
        shape: 'object',
        fields: {
          role: 'relay',
          publicKey: 'its public key, X25519',
          endpoints: 'where nodes find it: `address`, `port`',
          registrations: 'of each coordinator: `coordinator`, `session`, `registered`',
          nodes: 'how many nodes have a session with it',
          legs: 'how many legs of paths it joins',
          generalNodes: 'hosts without NTMobile that it stands for',
          directedNodes: 'nodes that it stands for them towards',
          loadThousandths: 'how much of its limit is used',
          ...HOST,
        },
      },
      {
        daemons: ['as'],
        shape: 'object',
        fields: {
          role: 'account-server',
          address: 'address of HTTPS',
          port: 'port of HTTPS',
          zone: 'domain of the names of nodes',
          systemPrefix: 'prefix of all virtual IPv6 addresses',
          publicKey: 'key of the proofs of logins',
          certificate: '`fingerprint`, `selfSigned`, `subject` and `notAfter`',
          accounts: 'how many accounts there are',
          disabledAccounts: 'how many of them are disabled',
          devices: 'how many devices there are',
        },
      },
    ],
  },
  bindings: {
    about: 'binding cache of a home agent; binding update list of a mobile node',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: {
          homeAddress: 'IPv6 home address',
          'ipv4HomeAddress?': 'IPv4 home address',
          careOfAddress: 'care-of address',
          encapsulation: 'ipip or udp',
          remote: 'outer address of the tunnel: behind a NAT another one than the care-of address',
          remotePort: 'its port; 0 without UDP',
          tunnel: 'id of the tunnel',
          lifetimeSeconds: 'granted lifetime, in seconds',
          remainingSeconds: 'what is left of it, in seconds',
          sequence: 'sequence number of the last Binding Update',
          nat: 'whether a NAT is on the way',
          'identifier?': 'network access identifier of the mobile node',
          mobileRouter: 'whether it is a mobile router',
          mobileNetworkPrefixes: 'prefixes that are forwarded to it',
        },
      },
      { daemons: MOBILE, shape: 'list', fields: BINDING_LIST },
    ],
  },
  bul: {
    about: 'binding update list of a mobile node: what it has registered where',
    forms: [{ daemons: MOBILE, shape: 'list', fields: BINDING_LIST }],
  },
  prefixes: {
    about: 'mobile networks that a home agent may serve, and where each is forwarded to',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: {
          prefix: 'prefix of the mobile network',
          'identifier?': 'network access identifier of its router',
          'homeAddress?': 'home address of its router',
          forwarded: 'whether it is forwarded now',
          'careOfAddress?': 'where the router is',
          'tunnel?': 'id of the tunnel',
        },
      },
    ],
  },
  nodes: {
    about:
      'NTMobile nodes: that are registered with a direction coordinator, or have a session with a relay',
    forms: [
      {
        daemons: ['dc'],
        shape: 'list',
        fields: {
          ...NODE,
          active: 'whether the registration is in force; a name stays known for a while after it',
          session: 'whether there are keys in common',
        },
      },
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: {
          ...NODE,
          validated: 'whether it has proved to be there',
          legs: 'how many legs it has',
        },
      },
    ],
  },
  tunnels: {
    about: 'tunnels: their ends, MTU and traffic',
    forms: [
      {
        daemons: ['ha'],
        shape: 'list',
        fields: { ...TUNNEL, bindings: 'how many bindings use it' },
      },
      {
        daemons: MOBILE,
        shape: 'list',
        fields: {
          ...TUNNEL,
          mtu: 'largest inner packet, before anything was learnt of the path',
          'home?': 'name of the home',
          'homes?': 'names of the homes that use it',
          'peer?': 'NTMobile: domain name of the other end',
          'relayIndex?': 'NTMobile: index of the leg, where it goes through a relay',
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
    about: 'paths of an NTMobile node to others: direct, or through a relay',
    forms: [
      {
        daemons: ['mn'],
        shape: 'list',
        fields: {
          name: 'domain name of the other end',
          'virtualIpv6?': 'its virtual IPv6 address',
          'virtualIpv4?': 'its virtual IPv4 address',
          kind: 'direct, relayed, general or none',
          up: 'whether data goes',
          direct: 'whether it goes directly',
          'local?': 'own address',
          'remote?': 'address that data is sent to',
          'remotePort?': 'its port',
          'sinceWallMs?': 'since when, in milliseconds since 1970',
          'roundTripMs?': 'round trip, in milliseconds',
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
          index: 'index in the envelope of the relay',
          peerIndex: 'index of the leg that it is joined to; 0: not there yet',
          pathId: 'id of the path, in hexadecimal digits',
          role: 'initiator or responder',
          name: 'domain name of the node',
          remote: 'address of the node',
          remotePort: 'port of the node',
          validated: 'whether the node has proved to be there',
          rateKilobits: 'what it may send, in kilobits a second',
          'traffic?': 'packets and octets that it was passed on in',
        },
      },
    ],
  },
  general: {
    about: 'hosts without NTMobile that a relay stands for',
    forms: [
      {
        daemons: ['rsn'],
        shape: 'list',
        fields: {
          name: 'domain name of the host',
          virtualIpv6: 'virtual IPv6 address that nodes know it by',
          'virtualIpv4?': 'virtual IPv4 address that nodes know it by',
          'realIpv6?': 'its real IPv6 address',
          'realIpv4?': 'its real IPv4 address',
          translated: 'families in which packets are translated into the other one',
          nodes: 'how many nodes use it',
        },
      },
    ],
  },
  stats: {
    about: 'counters, by the names of docs/reference/metrics.md',
    forms: [
      {
        daemons: ['ha', ...MOBILE],
        shape: 'object',
        fields: {
          'acknowledgements?': 'Binding Acknowledgements by the name of their status',
          plane: 'counters of the data plane',
          driver: 'counters of the driver',
          'ntmobile?': 'counters of an NTMobile node',
          '*': 'every counter of the protocol, by its name',
        },
      },
      {
        daemons: ['dc', 'rsn'],
        shape: 'object',
        fields: {
          plane: 'counters of the data plane, or of the sockets',
          driver: 'counters of the driver',
          '*': 'every counter of the protocol, by its name',
        },
      },
      { daemons: ['as'], shape: 'object', fields: { '*': 'every counter, by its name' } },
    ],
  },
};
