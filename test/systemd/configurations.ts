/** The configurations of the machine's daemons, with keys for these tests only. */
import { stringify } from 'yaml';
import type { Machine } from './machine.ts';
import { ADDRESSES } from './network.ts';

const SECURITY = { spi: 1000, key: 'text:a key for this test alone' };
const NTMOBILE = { zone: 'nodes.example', systemPrefix: 'fd12:3456:789a::/48' };
const PUBLIC_KEY = 'base64:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=';
const SERVER_ADDRESSES = [ADDRESSES.homeAgent, ADDRESSES.homeAgentIpv4];

export const CONFIGURATIONS = {
  ha: {
    addresses: [ADDRESSES.homeAgent],
    ipv4Addresses: [ADDRESSES.homeAgentIpv4],
    homePrefixes: ['2001:db8:1:100::/64'],
    mobileNodes: [
      { identifier: 'alice@example.net', homeAddresses: [ADDRESSES.home], security: SECURITY },
    ],
  },
  mn: {
    homes: [
      {
        homeAgent: ADDRESSES.homeAgent,
        homeAddress: ADDRESSES.home,
        identifier: 'alice@example.net',
        security: SECURITY,
      },
    ],
  },
  as: {
    ...NTMOBILE,
    directionCoordinators: [
      { name: 'dc.example.net', publicKey: PUBLIC_KEY, endpoints: SERVER_ADDRESSES },
    ],
  },
  dc: { ...NTMOBILE, addresses: SERVER_ADDRESSES, authorities: [PUBLIC_KEY] },
  rsn: {
    systemPrefix: NTMOBILE.systemPrefix,
    addresses: SERVER_ADDRESSES,
    port: 7900,
    directionCoordinators: [
      { name: 'dc.example.net', publicKey: PUBLIC_KEY, endpoints: SERVER_ADDRESSES },
    ],
    authorities: [PUBLIC_KEY],
  },
} as const;

/** A node with NTMobile only, whose account server does not exist. */
export const NTMOBILE_NODE = {
  ntmobile: {
    accountServer: { host: '192.0.2.99', port: 4501 },
    account: 'alice',
    passwordFile: '/etc/sojourn/password',
    port: 7910,
  },
} as const;

export type ConfiguredDaemon = keyof typeof CONFIGURATIONS;

/** Writes a configuration as an operator does: writable by root, readable by the daemon only. */
export async function configure(
  machine: Machine,
  daemon: string,
  configuration: unknown,
  name = daemon,
): Promise<void> {
  const file = `/etc/sojourn/${name}.yaml`;
  const script = `umask 077; cat > ${file}; chgrp sojourn-${daemon} ${file}; chmod 640 ${file}`;
  await machine.run(['sh', '-c', script], { input: stringify(configuration) });
}
