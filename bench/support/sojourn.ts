/** Sojourn as a contender: real daemons on a pair of hosts, with one encapsulation. */

import { daemonPublicKey } from '#composition/daemon-key.ts';
import { type ConfigurationOverrides, DaemonProcess, type ProcessSpawner } from '#lab/daemons.ts';
import { type Background, Background as Process, waitFor } from '#lab/shell.ts';
import { CABLE, type Pair } from './pair.ts';
import type { Peer } from './peers.ts';

const SECURITY = { spi: 1000, key: 'text:a key for the benchmark alone' } as const;
const HOME = { address: '2001:db8:200::10', ipv4Address: '203.0.113.10' } as const;

function isRegistered(status: unknown): boolean {
  return JSON.stringify(status).includes('"registered"');
}

/** Starts processes in namespaces with their logs in one directory. */
export class BenchSpawner implements ProcessSpawner {
  readonly #directory: string;
  #count = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  spawn(
    namespace: string,
    argv: readonly string[],
    options: Parameters<ProcessSpawner['spawn']>[2],
  ): Background {
    this.#count += 1;
    const logFile = `${this.#directory}/${options.logName ?? `process.${this.#count}`}.log`;
    return new Process(argv, { ...options, namespace, logFile });
  }
}

/** The encapsulations, and what a contender with one is called in the rows. */
const TUNNELS = {
  udp: 'udp',
  ipip: 'ipip',
  'sealed-ipv4': 'sealed, IPv4',
  'sealed-ipv6': 'sealed, IPv6',
} as const;

interface SojournOptions {
  /** Prefix of the daemons' names (socket, store, device). */
  readonly label: string;
  readonly threads: number;
  readonly stateDirectory: string;
}

/** What protects registrations with the daemon `peer`, in the other one's configuration. */
function protectionWith(
  encapsulation: keyof typeof TUNNELS,
  { label, stateDirectory }: SojournOptions,
  peer: 'ha' | 'mn',
): ConfigurationOverrides {
  if (encapsulation === 'udp' || encapsulation === 'ipip') return { security: SECURITY };
  return { publicKey: daemonPublicKey({ stateDirectory, name: `${label}-${peer}` }) };
}

/**
 * Starts a home agent on the right and a mobile node on the left, and waits for the registration.
 * The tunnel is over IPv4 or IPv6, depending on the pair's addresses: UDP or IPv6 in IPv6, and
 * sealed UDP over either.
 */
export async function sojourn(
  pair: Pair,
  spawner: ProcessSpawner,
  encapsulation: keyof typeof TUNNELS,
  options: SojournOptions,
): Promise<Peer> {
  const daemon = (name: string): ConfigurationOverrides => ({
    name: `${options.label}-${name}`,
    device: `${options.label}-${name}`,
    threads: options.threads,
    stateDirectory: options.stateDirectory,
  });
  const homeAgent = new DaemonProcess(
    spawner,
    'ha',
    pair.right,
    {
      daemon: daemon('ha'),
      addresses: [CABLE.right6],
      ipv4Addresses: [CABLE.right4],
      homePrefixes: ['2001:db8:200::/64'],
      ipv4HomePrefixes: ['203.0.113.0/25'],
      mobileNodes: [
        {
          ...protectionWith(encapsulation, options, 'mn'),
          homeAddresses: [HOME.address],
          ipv4HomeAddresses: [HOME.ipv4Address],
        },
      ],
    },
    `${options.label}-ha`,
  );
  const mobileNode = new DaemonProcess(
    spawner,
    'mn',
    pair.left,
    {
      daemon: daemon('mn'),
      homes: [
        {
          homeAgent: [CABLE.right6, CABLE.right4],
          homeAddress: HOME.address,
          ipv4HomeAddress: HOME.ipv4Address,
          ...protectionWith(encapsulation, options, 'ha'),
        },
      ],
      forceUdp: true,
    },
    `${options.label}-mn`,
  );
  await homeAgent.start();
  await mobileNode.start();
  await waitFor(async () => isRegistered(await mobileNode.request('status')), {
    timeoutMs: 10_000,
    what: `the mobile node of ${pair.left} to register`,
  });
  const threads = `${options.threads} thread${options.threads === 1 ? '' : 's'}`;
  return {
    name: `Sojourn ${TUNNELS[encapsulation]}, ${threads}`,
    server: CABLE.server4,
    [Symbol.asyncDispose]: async () => {
      await mobileNode.stop();
      await homeAgent.stop();
    },
  };
}
