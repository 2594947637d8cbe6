/** The views of NTMobile that `sojourn` prints. */
import { describe, expect, it } from 'vitest';
import { formatAnswer } from '#daemon/answers/views.ts';

const NOW = Date.UTC(2026, 0, 1);
const WELL = {
  host: { parts: 3, pending: [], counters: { applied: 3 } },
  driver: { storeFailures: 0, storeBacklog: 0 },
};

describe('the views of NTMobile', () => {
  const path = {
    ...{
      name: 'b.nodes.example',
      virtualIpv6: 'fd12:3456:789a::2',
      virtualIpv4: '198.18.0.2',
      up: true,
      direct: true,
    },
    ...{
      kind: 'direct',
      local: '192.0.2.77',
      remote: '203.0.113.5',
      remotePort: 40_000,
      sinceWallMs: NOW - 61_000,
    },
    roundTripMs: 12.34,
  };
  const node = {
    ...{
      name: 'a.nodes.example',
      virtualIpv6: 'fd12:3456:789a::1',
      virtualIpv4: '198.18.0.1',
      credentialSeconds: 3600,
    },
    ...{ coordinator: 'registered', coordinatorName: 'dc.example', nat: 'endpoint-independent' },
    localAddresses: { ipv4: '192.0.2.77', ipv4Device: 'wlan0' },
    relays: [{ nodeId: '00', up: true, remote: '192.0.2.5', roundTripMs: 8.05 }],
    paths: [path, { ...path, kind: 'none', up: false, direct: false }],
  };

  it('show the name, addresses, coordinator and paths of a node', () => {
    expect(
      formatAnswer('status', { role: 'mobile-node', homes: [], ntmobile: node, ...WELL }, NOW),
    ).toBe(
      [
        'NTMobile: a.nodes.example',
        '  virtual addresses  fd12:3456:789a::1, 198.18.0.1',
        '  credential         1 h left',
        '  coordinator        dc.example, registered',
        '  local addresses    192.0.2.77 on wlan0',
        '  NAT                endpoint-independent',
        '  relays             192.0.2.5 (8.1 ms)',
        '  paths              1 direct, 1 down',
        '',
        'host',
        '  kernel  in sync',
        '  store   in sync',
      ].join('\n'),
    );
  });

  it('show the login failure of a node', () => {
    const lone = {
      coordinator: 'detached',
      loginFailure: 'account, password or token is wrong',
      localAddresses: {},
      paths: [],
    };
    const text = formatAnswer(
      'status',
      { role: 'mobile-node', homes: [], ntmobile: lone, ...WELL },
      NOW,
    );
    expect(text).toContain(
      'NTMobile: not logged in\n  login failed  account, password or token is wrong\n',
    );
  });

  it('show paths with kind, endpoint, age and round-trip time', () => {
    const general = {
      ...path,
      name: 'www.example',
      kind: 'general',
      direct: false,
      roundTripMs: undefined,
    };
    expect(formatAnswer('paths', [path, general], NOW)).toBe(
      [
        'NAME             VIRTUAL ADDRESSES              PATH                   THROUGH      ' +
          '      FOR        ROUND TRIP',
        'b.nodes.example  fd12:3456:789a::2, 198.18.0.2  direct                 ' +
          '203.0.113.5:40000  1 min 1 s  12.3 ms',
        'www.example      fd12:3456:789a::2, 198.18.0.2  relayed (no NTMobile)  ' +
          '203.0.113.5:40000  1 min 1 s  -',
      ].join('\n'),
    );
  });

  it('show an account server and a direction coordinator', () => {
    const server = {
      ...{
        role: 'account-server',
        address: '::',
        port: 4501,
        zone: 'nodes.example',
        accounts: 3,
        disabledAccounts: 1,
        devices: 2,
      },
      certificate: { fingerprint: 'AB:CD', selfSigned: true, notAfter: '2027-01-01T00:00:00.000Z' },
    };
    expect(formatAnswer('status', server, NOW)).toBe(
      [
        'account server',
        '  listens on         [::]:4501',
        '  zone               nodes.example',
        '  certificate        AB:CD, self-signed',
        '  certificate until  2027-01-01T00:00:00.000Z',
        '  accounts           3 (1 disabled)',
        '  devices            2',
        '  store              in sync',
      ].join('\n'),
    );
    const coordinator = {
      role: 'direction-coordinator',
      zone: 'nodes.example',
      registrations: 4,
      ...WELL,
    };
    expect(formatAnswer('status', coordinator, NOW)).toContain(
      'direction coordinator\n  zone   nodes.example\n  nodes  4\n\nhost\n',
    );
  });

  it('show the nodes of a direction coordinator', () => {
    const row = {
      ...{
        name: 'a.nodes.example',
        nodeId: '00'.repeat(16),
        virtualIpv6: 'fd12:3456:789a::1',
        virtualIpv4: '198.18.0.1',
      },
      ...{ remote: '2001:db8::7', remotePort: 7890, active: true, session: true },
    };
    expect(formatAnswer('nodes', [row, { ...row, remote: '192.0.2.7', active: false }], NOW)).toBe(
      [
        'NAME             VIRTUAL ADDRESSES              FROM                ACTIVE',
        'a.nodes.example  fd12:3456:789a::1, 198.18.0.1  [2001:db8::7]:7890  yes',
        'a.nodes.example  fd12:3456:789a::1, 198.18.0.1  192.0.2.7:7890      no',
      ].join('\n'),
    );
  });

  it('show the legs and servers of a relay', () => {
    const leg = {
      ...{
        index: 5,
        peerIndex: 6,
        pathId: '0707070707070707',
        role: 'initiator',
        name: 'a.nodes.example',
      },
      ...{ remote: '192.0.2.7', remotePort: 40123, validated: true, rateKilobits: 100_000 },
    };
    expect(
      formatAnswer(
        'legs',
        [leg, { ...leg, role: 'responder', peerIndex: 0, validated: false }],
        NOW,
      ),
    ).toBe(
      [
        'PATH              ROLE       NODE             AT               JOINED  VALIDATED  RATE',
        '0707070707070707  initiator  a.nodes.example  192.0.2.7:40123  yes     yes        ' +
          '100 Mbit/s',
        '0707070707070707  responder  a.nodes.example  192.0.2.7:40123  no      no         ' +
          '100 Mbit/s',
      ].join('\n'),
    );
    const traffic = {
      'transmit-octets': 7000,
      'receive-octets': 500,
      'drop-rate': 3,
      'drop-source': 1,
    };
    expect(formatAnswer('legs', [{ ...leg, traffic }], NOW)).toMatch(
      /RATE +OCTETS TO +OCTETS FROM +DROPPED\n.*Mbit\/s +7000 +500 +4$/,
    );
    const server = {
      ...{ name: 'www.example', virtualIpv6: 'fd12:3456:789a:1::5', virtualIpv4: '198.19.0.5' },
      ...{ realIpv6: '2001:db8::80', translated: [4], nodes: 2 },
    };
    expect(formatAnswer('general', [server], NOW)).toBe(
      [
        'NAME         VIRTUAL IPV6         VIRTUAL IPV4  REAL          TRANSLATED  NODES',
        'www.example  fd12:3456:789a:1::5  198.19.0.5    2001:db8::80  IPv4            2',
      ].join('\n'),
    );
  });

  it('show the status of a relay', () => {
    const status = {
      ...{
        role: 'relay',
        publicKey: 'hex:00',
        endpoints: [{ address: '2001:db8::2', port: 7890 }],
        nodes: 3,
        legs: 2,
      },
      registrations: [{ coordinator: 'dc.example', session: true, registered: false }],
      ...{ generalNodes: 1, directedNodes: 2, loadThousandths: 15, ...WELL },
    };
    expect(formatAnswer('status', status, NOW)).toBe(
      [
        ...['relay', '  public key     hex:00', '  addresses      [2001:db8::2]:7890'],
        ...[
          '  coordinator    dc.example: NOT REGISTERED',
          '  nodes          3, 2 of them use servers',
        ],
        ...[
          '  legs of paths  2',
          '  servers        1',
          '  load           1.5 %',
          '',
          'host',
          '  kernel  in sync',
        ],
        '  store   in sync',
      ].join('\n'),
    );
  });
});
