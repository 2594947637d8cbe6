/** A valid configuration of each daemon, and single faults in it with the messages about them. */

export const KEY = 'hex:000102030405060708090a0b0c0d0e0f';

export const HA = `addresses: [2001:db8:1::1]
homePrefixes: [2001:db8:1:100::/64]
mobileNodes:
  - homeAddresses: [2001:db8:1:100::10]
    security: { spi: 1000, key: '${KEY}' }
`;

export const MN = `homes:
  - homeAgent: ha.example.net
    homeAddress: 2001:db8:1:100::10
    security: { spi: 1000, key: '${KEY}' }
`;

export const MR = `homes:
  - homeAgent: 2001:db8:1::1
    homeAddress: 2001:db8:1:100::20
    security: { spi: 1000, key: '${KEY}' }
    mobileNetworkPrefixes: [2001:db8:5::/64, 192.0.2.0/28]
mobileNetworks:
  - { device: lan0, addresses: [2001:db8:5::1/64, 192.0.2.1/28] }
`;

/**
 * `[title, role, text to replace, replacement, the whole fault]`; an empty text to replace means
 * append.
 */
export const WRONG: readonly (readonly [string, 'ha' | 'mn' | 'mr', string, string, string])[] = [
  [
    'an unknown key and suggests a similar one',
    'ha',
    '',
    'homePrefix: 1\n',
    'ha.yaml:6:1: homePrefix: unknown key (did you mean "homePrefixes"?)',
  ],
  [
    'an unknown key in a list entry',
    'mn',
    '    homeAddress:',
    '    identfier: a@b\n    homeAddress:',
    'mn.yaml:3:5: homes[0].identfier: unknown key (did you mean "identifier"?)',
  ],
  [
    'an unknown key and lists the known ones',
    'mn',
    '',
    'interfaces: [{ match: eth0, preference: 1, zzzzzz: 2 }]\n',
    'mn.yaml:5:44: interfaces[0].zzzzzz: unknown key (known here: match, preference)',
  ],
  [
    'a missing key',
    'ha',
    'addresses: [2001:db8:1::1]\n',
    '',
    'ha.yaml:1:1: addresses: is missing (IPv6 addresses of this home agent)',
  ],
  [
    'a text that is not an address',
    'ha',
    '[2001:db8:1::1]',
    '[2001:db8:1::g]',
    'ha.yaml:1:13: addresses[0]: "2001:db8:1::g" is not an IPv6 address (for example 2001:db8::1)',
  ],
  [
    'an address of the wrong scope',
    'ha',
    '[2001:db8:1::1]',
    '[fe80::1]',
    'ha.yaml:1:13: addresses[0]: must be a global unicast address',
  ],
  [
    'a home prefix with host bits',
    'ha',
    '2001:db8:1:100::/64',
    '2001:db8:1:100::1/64',
    'ha.yaml:2:16: homePrefixes[0]: "2001:db8:1:100::1/64" is not an IPv6 prefix (for ' +
      'example 2001:db8:1::/64)',
  ],
  [
    'a text instead of a number',
    'mn',
    '',
    'lifetimeSeconds: ten\n',
    'mn.yaml:5:18: lifetimeSeconds: must be a number, not the text "ten" (requested lifetime ' +
      'of a registration)',
  ],
  [
    'a list instead of a text',
    'ha',
    '',
    'ipv4Pool: [198.51.100.128/25]\n',
    'ha.yaml:6:11: ipv4Pool: must be text, not a list (addresses for nodes that request an IPv4 ' +
      'home address and have no fixed one; none unless given)',
  ],
  [
    'a value out of range',
    'ha',
    '',
    'udpPort: 70000\n',
    'ha.yaml:6:10: udpPort: must be at most 65535, not 70000',
  ],
  [
    'an unknown choice',
    'ha',
    '',
    'security: nome\n',
    'ha.yaml:6:11: security: must be one of required, none (did you mean "none"?)',
  ],
  [
    'a home without security',
    'mn',
    `    security: { spi: 1000, key: '${KEY}' }\n`,
    '',
    'mn.yaml:2:5: homes[0]: has no publicKey and no security association (give publicKey, as ' +
      'sojourn-ha --show-key prints it)',
  ],
  [
    'a mobile node without security at the home agent',
    'ha',
    `    security: { spi: 1000, key: '${KEY}' }\n`,
    '',
    'ha.yaml:4:5: mobileNodes[0]: has no publicKey and no security association (give publicKey, ' +
      'as sojourn-mn --show-key prints it)',
  ],
  [
    'a reserved SPI',
    'mn',
    'spi: 1000',
    'spi: 17',
    'mn.yaml:4:22: homes[0].security.spi: SPI 17 is reserved by RFC 4285 (use 256 or more)',
  ],
  [
    'SPI 3 with another algorithm',
    'mn',
    'spi: 1000',
    'spi: 3',
    'mn.yaml:4:22: homes[0].security.spi: SPI 3 means HMAC-SHA1 (RFC 4285) (set algorithm: ' +
      'hmac-sha1-96, or use an SPI of 256 or more)',
  ],
  [
    'a key without an encoding',
    'mn',
    KEY,
    'correct horse battery staple',
    'mn.yaml:4:33: homes[0].security.key: is not a key (write hex:… or base64:… or text:…)',
  ],
  [
    'a short key',
    'mn',
    KEY,
    'text:secret',
    'mn.yaml:4:33: homes[0].security.key: the key has 6 octets; at least 16 are needed (make ' +
      'one with: echo "hex:$(openssl rand -hex 32)")',
  ],
  [
    'a world-readable key file',
    'mn',
    `key: '${KEY}'`,
    'keyFile: open.key',
    'mn.yaml:4:37: homes[0].security.keyFile: open.key is readable by every user (chmod o= ' +
      'open.key)',
  ],
  [
    'a key file without a key',
    'mn',
    `key: '${KEY}'`,
    'keyFile: garbage.key',
    'mn.yaml:4:37: homes[0].security.keyFile: is not a key (write hex:… or base64:… or text:…)',
  ],
  [
    'a missing key file',
    'mn',
    `key: '${KEY}'`,
    'keyFile: absent.key',
    'mn.yaml:4:37: homes[0].security.keyFile: absent.key cannot be read: ENOENT: no such ' +
      "file or directory, stat 'absent.key' (make one with: echo \"hex:$(openssl rand -hex " +
      '32)")',
  ],
  [
    'a home address outside the home prefixes',
    'ha',
    '[2001:db8:1:100::10]',
    '[2001:db8:2::10]',
    'ha.yaml:4:21: mobileNodes[0].homeAddresses[0]: 2001:db8:2::10 is outside homePrefixes ' +
      '(one of: 2001:db8:1:100::/64)',
  ],
  [
    'a home address that is granted twice',
    'ha',
    '[2001:db8:1:100::10]',
    '[2001:db8:1:100::10, 2001:db8:1:100::10]',
    'ha.yaml:4:41: mobileNodes[0].homeAddresses[1]: 2001:db8:1:100::10 is already granted ' +
      'above (grant it once)',
  ],
  [
    'a home agent with an IPv4 address only',
    'mn',
    'ha.example.net',
    '192.0.2.1',
    'mn.yaml:2:16: homes[0].homeAgent: is a lone IPv4 address (add homeAgentAddress: the ' +
      "home agent's IPv6 address)",
  ],
  [
    'a home agent that is neither name nor address',
    'mn',
    'ha.example.net',
    'ha_/example',
    'mn.yaml:2:16: homes[0].homeAgent: "ha_/example" is neither a DNS name nor an address ' +
      '(for example ha.example.net)',
  ],
  [
    'an odd number of threads',
    'mn',
    '',
    'daemon: { threads: 3 }\n',
    'mn.yaml:5:20: daemon.threads: must be 1 or even (a pair has one thread for each direction)',
  ],
  [
    'an interface name that is too long',
    'ha',
    '',
    'homeLink: interface-too-long\n',
    'ha.yaml:6:11: homeLink: "interface-too-long" is not an interface name (1 to 15 ' +
      'characters, no space, "/", ":" or "%") (for example eth0)',
  ],
  [
    'a duplicate key',
    'mn',
    '',
    'udpPort: 1\nudpPort: 2\n',
    'mn.yaml:6:1: Map keys must be unique (write each key once)',
  ],
  [
    'a last policy rule before the first ones',
    'mn',
    '',
    'defaultRulePriority: 1010\n',
    'mn.yaml:5:22: defaultRulePriority: 1010 is not behind the policy rules from 1000 on ' +
      '(give a priority of at least 1014)',
  ],
  [
    'a mobile router without prefixes',
    'mr',
    '    mobileNetworkPrefixes: [2001:db8:5::/64, 192.0.2.0/28]\n',
    '',
    'mr.yaml:2:5: homes[0].mobileNetworkPrefixes: is missing (IPv6 and IPv4 prefixes of the ' +
      'networks behind this router)',
  ],
  [
    'a mobile network prefix with host bits',
    'mr',
    '2001:db8:5::/64,',
    '2001:db8:5::1/64,',
    'mr.yaml:5:29: homes[0].mobileNetworkPrefixes[0]: "2001:db8:5::1/64" is not a prefix ' +
      '(for example 2001:db8::/48 or 192.0.2.0/24)',
  ],
  [
    'a prefix that is given twice',
    'mr',
    '192.0.2.0/28]',
    '192.0.2.0/28, 2001:db8:5::/64]',
    'mr.yaml:5:60: homes[0].mobileNetworkPrefixes[2]: 2001:db8:5::/64 overlaps ' +
      '2001:db8:5::/64 (give each network once)',
  ],
  [
    'a prefix inside another',
    'mr',
    '192.0.2.0/28]',
    '192.0.2.0/28, 2001:db8:5:0:8000::/65]',
    'mr.yaml:5:60: homes[0].mobileNetworkPrefixes[2]: 2001:db8:5:0:8000::/65 overlaps ' +
      '2001:db8:5::/64 (give each network once)',
  ],
  [
    'a prefix around the home agent',
    'mr',
    '192.0.2.0/28]',
    '192.0.2.0/28, 2001:db8:1::/64]',
    "mr.yaml:5:60: homes[0].mobileNetworkPrefixes[2]: contains the home agent's address " +
      '2001:db8:1::1 (packets to the home agent would enter the tunnel; take a longer prefix)',
  ],
  [
    'a home address from a mobile network that has a home link',
    'mr',
    '    homeAddress: 2001:db8:1:100::20\n',
    '    homeAddress: 2001:db8:5::20\n    virtualHomeNetwork: false\n',
    'mr.yaml:6:29: homes[0].mobileNetworkPrefixes[0]: contains the home address ' +
      '2001:db8:5::20 (set virtualHomeNetwork: true, or take an address of the home link)',
  ],
  [
    'an IPv4 home address from a mobile network that has a home link',
    'mr',
    '    mobileNetworkPrefixes:',
    '    ipv4HomeAddress: 192.0.2.5\n    virtualHomeNetwork: false\n    mobileNetworkPrefixes:',
    'mr.yaml:7:46: homes[0].mobileNetworkPrefixes[1]: contains the home address 192.0.2.5 ' +
      '(set virtualHomeNetwork: true, or take an address of the home link)',
  ],
  [
    "a prefix around the home agent's inner address",
    'mr',
    'homeAgent: 2001:db8:1::1',
    'homeAgent: 198.51.100.1\n    homeAgentAddress: 2001:db8:5::2',
    "mr.yaml:6:29: homes[0].mobileNetworkPrefixes[0]: contains the home agent's address " +
      '2001:db8:5::2 (packets to the home agent would enter the tunnel; take a longer prefix)',
  ],
  [
    'a network address instead of a host address',
    'mr',
    '2001:db8:5::1/64,',
    '2001:db8:5::/64,',
    'mr.yaml:7:33: mobileNetworks[0].addresses[0]: 2001:db8:5:: is the network address, not ' +
      'a host address (use another address, usually the next one)',
  ],
  [
    'an address outside the prefixes',
    'mr',
    '192.0.2.1/28]',
    '192.0.2.17/28]',
    'mr.yaml:7:51: mobileNetworks[0].addresses[1]: 192.0.2.17 is outside all ' +
      'mobileNetworkPrefixes (one of: 2001:db8:5::/64, 192.0.2.0/28)',
  ],
  [
    'an address with too short a prefix length',
    'mr',
    '192.0.2.1/28]',
    '192.0.2.1/24]',
    'mr.yaml:7:51: mobileNetworks[0].addresses[1]: the network is larger than 192.0.2.0/28 ' +
      '(write 192.0.2.1/28)',
  ],
  [
    'an address without prefix length',
    'mr',
    '192.0.2.1/28]',
    '192.0.2.1]',
    'mr.yaml:7:51: mobileNetworks[0].addresses[1]: "192.0.2.1" is not an address with a ' +
      'prefix length (for example 2001:db8:500::1/64)',
  ],
  [
    'an interface that is given twice',
    'mr',
    '',
    '  - { device: lan0 }\n',
    'mr.yaml:8:15: mobileNetworks[1].device: lan0 is given twice (one entry for each interface)',
  ],
  [
    'a mobile network interface as an uplink',
    'mr',
    '',
    'interfaces: [{ match: lan0, preference: 1 }]\n',
    'mr.yaml:8:23: interfaces[0].match: lan0 is one of mobileNetworks (such an interface is ' +
      'never an uplink; remove it here)',
  ],
  [
    'a metrics address other than loopback',
    'ha',
    '',
    'daemon: { metrics: { address: 192.0.2.1, port: 9419 } }\n',
    'ha.yaml:6:31: daemon.metrics.address: must be a loopback address: the port has no ' +
      'authentication',
  ],
  [
    'metrics without a port',
    'mn',
    '',
    'daemon: { metrics: {} }\n',
    'mn.yaml:5:20: daemon.metrics.port: is missing (TCP port of /metrics)',
  ],
  [
    'an unknown registration mode',
    'mr',
    'mobileNetworks:',
    '    registrationModes: [automatic]\nmobileNetworks:',
    'mr.yaml:6:25: homes[0].registrationModes[0]: must be one of explicit, implicit',
  ],
];
