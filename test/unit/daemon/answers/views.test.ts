/** The views that `sojourn` prints. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { duration } from '#daemon/answers/view-parts.ts';
import { formatAnswer, formatEvent } from '#daemon/answers/views.ts';

const NOW = Date.UTC(2026, 0, 1);
const BINDING = {
  home: 'office',
  homeAgent: '2001:db8:1::1',
  homeAddress: '2001:db8:1:100::10',
  careOfAddress: '192.0.2.77',
  lifetimeSeconds: 600,
  remainingSeconds: 597,
  sequence: 62390,
  acknowledged: true,
  encapsulation: 'udp',
  nat: true,
};
const HOME = {
  home: 'office',
  phase: 'registered',
  homeAddress: '2001:db8:1:100::10',
  ipv4HomeAddress: '198.51.100.10',
  careOfAddress: '192.0.2.77',
  interface: 'wlan0',
  encapsulation: 'udp',
  homeAgent: 'ha.example.net',
  homeAgentAddresses: ['2001:db8:1::1', '192.0.2.1'],
  sequence: 62390,
  clockOffsetMs: 0,
  lastHandover: { to: '192.0.2.77', atWallMs: NOW - 125_000, roundTripMs: 18.1416679999993 },
  bindings: [BINDING],
};
const WELL = {
  host: { parts: 3, pending: [], counters: { applied: 3 } },
  driver: { storeFailures: 0, storeBacklog: 0 },
};

function mobileNode(home: JsonObject, rest: JsonObject = WELL): string {
  return formatAnswer(
    'status',
    { role: 'mobile-node', homes: [{ ...HOME, ...home }], ...rest },
    NOW,
  );
}

describe('the status of a mobile node', () => {
  it('shows addresses, tunnel, lifetime and last handover', () => {
    expect(mobileNode({})).toBe(
      [
        'office: registered',
        '  home addresses   2001:db8:1:100::10, 198.51.100.10',
        '  home agent       ha.example.net (2001:db8:1::1, 192.0.2.1)',
        '  care-of address  192.0.2.77 on wlan0',
        '  tunnel           udp, through a NAT',
        '  encryption       not encrypted',
        '  lifetime left    9 min 57 s of 10 min',
        '  last handover    2 min 5 s ago, to 192.0.2.77, acknowledged after 18.1 ms',
        '',
        'host',
        '  kernel  in sync',
        '  store   in sync',
      ].join('\n'),
    );
  });

  it.each([
    [
      { phase: 'detached', careOfAddress: null, interface: null, bindings: [] },
      'office: no network',
      'not registered',
    ],
    [{ phase: 'refused', bindings: [] }, 'office: refused by the home agent', 'not registered'],
    [
      {
        phase: 'at-home',
        careOfAddress: null,
        interface: 'eth0',
        encapsulation: null,
        bindings: [],
      },
      'office: at home',
      'home link       eth0',
    ],
    [{ homeAgentAddresses: [] }, 'office: registered', 'ha.example.net (not resolved)'],
    [{ bindings: [{ ...BINDING, nat: false }] }, 'office: registered', 'udp, no NAT'],
  ])('shows %j', (home, first, line) => {
    const lines = mobileNode(home);
    expect(lines.startsWith(first)).toBe(true);
    expect(lines).toContain(line);
    expect(lines).not.toMatch(/null|undefined|NaN/);
  });

  it('omits tunnel and lifetime at home', () => {
    const lastHandover = { to: 'home', atWallMs: NOW - 1000 };
    const home = {
      phase: 'at-home',
      careOfAddress: null,
      interface: 'eth0',
      encapsulation: null,
      bindings: [],
      lastHandover,
    };
    const text = mobileNode(home);
    expect(text).toContain('last handover   1 s ago, to the home link\n');
    expect(text).not.toMatch(/tunnel|lifetime|care-of/);
  });

  it('shows refusals of the kernel and the backlog of the store', () => {
    const pending = [{ what: 'address eth0 2001:db8:1::5', error: 'ENODEV' }];
    const text = mobileNode(
      {},
      {
        host: { pending },
        driver: { storeFailures: 2, storeBacklog: 5, storeFault: 'mn.sqlite: disk full' },
      },
    );
    expect(text).toContain('refused  address eth0 2001:db8:1::5: ENODEV');
    expect(text).toContain('store    NOT WRITTEN (5 records wait): mn.sqlite: disk full');
    expect(text).not.toContain('in sync');
  });
});

describe('the status of a mobile router', () => {
  const NETWORKS = {
    registrationMode: 'explicit',
    mobileNetworkPrefixes: [
      { prefix: '2001:db8:1:200::/64', refused: false },
      { prefix: '203.0.113.64/28', refused: true },
    ],
  };

  it.each([
    ['tunnel', 'through the tunnel'],
    ['home-link', 'on the home link'],
    ['none', 'NOT FORWARDED'],
  ])('shows prefixes, registration mode and forwarding %s', (forwarding, text) => {
    const homes = [{ ...HOME, ...NETWORKS, forwarding }];
    expect(formatAnswer('status', { role: 'mobile-router', homes, ...WELL }, NOW)).toContain(
      `\n  mobile networks  2001:db8:1:200::/64, 203.0.113.64/28 (refused) (explicit, ${text})\n`,
    );
  });

  it('shows why it is stopped', () => {
    const home = {
      phase: 'stopped',
      lastRefusal: 'not-authorized-for-prefix',
      forwarding: 'none',
      careOfAddress: null,
      interface: null,
      encapsulation: null,
      bindings: [],
    };
    const homes = [{ ...HOME, ...NETWORKS, ...home }];
    const text = formatAnswer('status', { role: 'mobile-router', homes, ...WELL }, NOW);
    expect(text).toMatch(/^office: stopped: no home agent serves the mobile networks\n/);
    expect(text).toMatch(
      /\n {2}last refusal +not-authorized-for-prefix\n {2}lifetime left +not registered\n/,
    );
  });
});

describe('the status of a home agent', () => {
  const status = {
    role: 'home-agent',
    addresses: ['2001:db8:1::1'],
    ipv4Addresses: ['192.0.2.1'],
    homeLink: null,
    mobileNodes: 3,
    bindings: 1,
    pending: 1,
    tunnels: 1,
    insecure: false,
    ...WELL,
  };

  it('shows addresses, bindings and tunnels', () => {
    expect(formatAnswer('status', status, NOW).split('\n').slice(0, 6)).toEqual([
      'home agent',
      '  addresses  2001:db8:1::1, 192.0.2.1',
      '  home link  none (virtual home network)',
      '  bindings   1 (3 configured), 1 pending',
      '  tunnels    1',
      '  security   required',
    ]);
  });

  it('warns about security: none', () => {
    expect(formatAnswer('status', { ...status, insecure: true }, NOW)).toContain('security   NONE');
  });
});

describe('the tables', () => {
  it('show the bindings of a mobile node', () => {
    expect(formatAnswer('bindings', [BINDING], NOW)).toBe(
      [
        'HOME    HOME ADDRESS        CARE-OF ADDRESS  ENCAPSULATION  NAT  LIFETIME LEFT      ' +
          '   HOME AGENT',
        'office  2001:db8:1:100::10  192.0.2.77       udp            yes  9 min 57 s of 10 ' +
          'min  2001:db8:1::1',
      ].join('\n'),
    );
    expect(formatAnswer('bindings', [{ ...BINDING, acknowledged: false }], NOW)).toContain(
      'not acknowledged',
    );
  });

  it('show the bindings of a home agent with the outer address behind a NAT', () => {
    const row = {
      homeAddress: '2001:db8:1:100::10',
      ipv4HomeAddress: '198.51.100.10',
      careOfAddress: '10.0.0.5',
      encapsulation: 'udp',
      remote: '203.0.113.7',
      remotePort: 40123,
      tunnel: 1,
      lifetimeSeconds: 600,
      remainingSeconds: 59,
      sequence: 7,
      nat: true,
      identifier: 'alice@example.net',
      mobileRouter: false,
    };
    expect(formatAnswer('bindings', [row], NOW)).toBe(
      [
        'HOME ADDRESS                       CARE-OF ADDRESS  ENCAPSULATION  NAT              ' +
          '       LIFETIME LEFT   IDENTIFIER',
        '2001:db8:1:100::10, 198.51.100.10  10.0.0.5         udp            yes, ' +
          '203.0.113.7:40123  59 s of 10 min  alice@example.net',
      ].join('\n'),
    );
  });

  it('show the bindings of mobile routers with their prefixes', () => {
    const row = {
      ...BINDING,
      mobileRouter: true,
      mobileNetworkPrefixes: ['2001:db8:1:200::/64', '203.0.113.64/28'],
    };
    const [heading, first, second] = formatAnswer('bindings', [row, BINDING], NOW).split('\n');
    expect(heading).toContain('MOBILE NETWORKS');
    expect(first).toContain('2001:db8:1:200::/64, 203.0.113.64/28');
    expect(second?.slice(heading?.indexOf('MOBILE NETWORKS')).trim()).toMatch(/^- /);
  });

  it('show the prefixes of a home agent', () => {
    const forwarded = {
      prefix: '2001:db8:1:200::/64',
      identifier: 'van@example.net',
      homeAddress: '2001:db8:1:100::20',
      forwarded: true,
      careOfAddress: '192.0.2.77',
      tunnel: 3,
    };
    const down = {
      ...forwarded,
      prefix: '203.0.113.64/28',
      forwarded: false,
      careOfAddress: null,
      tunnel: null,
    };
    expect(formatAnswer('prefixes', [forwarded, down], NOW)).toBe(
      [
        'PREFIX               FORWARDED  HOME ADDRESS        CARE-OF ADDRESS  TUNNEL  IDENTIFIER',
        '2001:db8:1:200::/64  yes        2001:db8:1:100::20  192.0.2.77            3  ' +
          'van@example.net',
        '203.0.113.64/28      no         2001:db8:1:100::20  -                     -  ' +
          'van@example.net',
      ].join('\n'),
    );
  });

  it('show tunnels with their ports and traffic, if any', () => {
    const udp = {
      id: 1,
      encapsulation: 'udp',
      local: '192.0.2.1',
      remote: '203.0.113.7',
      localPort: 4191,
      remotePort: 40123,
      mtu: 1472,
    };
    const ipip = {
      id: 2,
      encapsulation: 'ipip',
      local: '2001:db8::1',
      remote: '2001:db8::2',
      localPort: 0,
      remotePort: 0,
      mtu: 1460,
    };
    const traffic = {
      'transmit-packets': 3,
      'transmit-octets': 300,
      'receive-packets': 4,
      'receive-octets': 400,
    };
    expect(formatAnswer('tunnels', [{ ...udp, traffic }, ipip], NOW)).toBe(
      [
        'ID  ENCAPSULATION  LOCAL           REMOTE              MTU  PACKETS OUT  OCTETS OUT ' +
          ' PACKETS IN  OCTETS IN',
        ' 1  udp            192.0.2.1:4191  203.0.113.7:40123  1472            3         300 ' +
          '          4        400',
        ' 2  ipip           2001:db8::1     2001:db8::2        1460            -           - ' +
          '          -          -',
      ].join('\n'),
    );
  });

  it('show rows of an unknown form whole', () => {
    expect(formatAnswer('bindings', [{ homeAddress: 'x', novelty: 1 }], NOW)).toContain('NOVELTY');
    expect(formatAnswer('bindings', [], NOW)).toBe('(none)');
    expect(formatAnswer('status', { role: 'novelty', peers: 2 }, NOW)).toContain('peers  2');
  });
});

describe('the counters', () => {
  it('omit zeros and show their number', () => {
    const stats = {
      'binding-created': 12,
      'sequence-out-of-window': 3,
      fragmented: 0,
      plane: { drops: 0 },
    };
    expect(formatAnswer('stats', stats, NOW)).toBe(
      [
        'control messages:',
        '  binding-created         12',
        '  sequence-out-of-window   3',
        '  (1 at 0)',
        'plane:',
        '  (1 at 0)',
      ].join('\n'),
    );
  });
});

describe('an event', () => {
  it('shows one time, and ages instead of monotonic times', () => {
    const fields = {
      home: 'office',
      roundTripMs: 18.1416679999993,
      nat: true,
      addressAtMs: 4869.28,
      atMs: 4887.42,
    };
    expect(
      formatEvent({
        number: 1,
        at: '2026-01-01T00:00:00.000Z',
        name: 'registered',
        level: 'info',
        fields,
      }),
    ).toBe(
      '2026-01-01T00:00:00.000Z  info   registered  home=office roundTripMs=18.1 nat=true ' +
        'addressAgoMs=18.1',
    );
  });
});

describe('duration', () => {
  it.each([
    [0.4, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [597, '9 min 57 s'],
    [7500, '2 h 5 min'],
    [90_000, '1 d 1 h'],
  ])('formats %d s as %s', (seconds, expected) => {
    expect(duration(seconds)).toBe(expected);
  });
});
