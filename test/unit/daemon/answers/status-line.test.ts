import { describe, expect, it } from 'vitest';
import type { JsonValue } from '#base/json.ts';
import { statusLine } from '#daemon/answers/status-line.ts';

const HOME = {
  home: 'office',
  careOfAddress: '2001:db8:2::5',
  bindings: [{ homeAgent: '2001:db8:1::1' }],
} as const;

/** `[an answer to status, the line]` */
const LINES: readonly (readonly [JsonValue, string])[] = [
  [
    { role: 'mobile-node', homes: [{ ...HOME, phase: 'registered' }] },
    'registered with 2001:db8:1::1, care-of 2001:db8:2::5',
  ],
  [
    { role: 'mobile-router', homes: [{ ...HOME, phase: 'refreshing' }] },
    'registered with 2001:db8:1::1, care-of 2001:db8:2::5',
  ],
  [
    { role: 'mobile-node', homes: [{ ...HOME, phase: 'registering', bindings: [] }] },
    'registering, care-of 2001:db8:2::5',
  ],
  [
    {
      role: 'mobile-node',
      homes: [{ home: 'office', phase: 'detached', careOfAddress: null, bindings: [] }],
    },
    'no network (no care-of address)',
  ],
  [
    {
      role: 'mobile-router',
      homes: [{ ...HOME, phase: 'refused', lastRefusal: 'not-authorized-for-prefix' }],
    },
    'refused by the home agent: not-authorized-for-prefix',
  ],
  [
    {
      role: 'mobile-node',
      homes: [
        { ...HOME, phase: 'registered' },
        { home: 'cabin', phase: 'at-home' },
      ],
    },
    'office: registered with 2001:db8:1::1, care-of 2001:db8:2::5; cabin: at home',
  ],
  [
    {
      ...{ role: 'mobile-node', homes: [] },
      ntmobile: {
        ...{ name: 'a.nodes.example', coordinator: 'registered', coordinatorName: 'dc.example' },
        paths: [{ up: true }, { up: false }],
      },
    },
    'NTMobile: a.nodes.example, registered with dc.example: 1 path',
  ],
  [
    {
      role: 'mobile-node',
      homes: [{ ...HOME, phase: 'registered' }],
      ntmobile: { loginFailure: 'as.example: refused' },
    },
    'registered with 2001:db8:1::1, care-of 2001:db8:2::5; NTMobile: as.example: refused',
  ],
  [
    { role: 'mobile-node', homes: [], ntmobile: { coordinator: 'detached' } },
    'NTMobile: no credential yet',
  ],
  [
    {
      role: 'home-agent',
      addresses: ['2001:db8:1::1'],
      ipv4Addresses: ['192.0.2.1'],
      bindings: 1,
      tunnels: 2,
    },
    'listening on 2001:db8:1::1, 192.0.2.1: 1 binding, 2 tunnels',
  ],
  [
    { role: 'direction-coordinator', zone: 'nodes.example', registrations: 0 },
    'serving nodes.example: 0 nodes',
  ],
  [
    { role: 'account-server', zone: 'nodes.example', port: 4501, accounts: 1, devices: 3 },
    'serving nodes.example on port 4501: 1 account, 3 devices',
  ],
  [{ role: 'relay', nodes: 2, legs: 1 }, 'relaying: 2 nodes, 1 leg'],
  [{ role: 'of another version' }, 'running'],
  ['up', 'running'],
];

describe('the status line', () => {
  it.each(LINES)('summarizes %j', (status, line) => {
    expect(statusLine(status)).toBe(line);
  });
});
