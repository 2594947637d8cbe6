/**
 * What Sojourn is measured against, in the same run on the same cable: plain forwarding, the kernel's VXLAN, and the user-space tunnels of Debian
 * (wireguard-go, OpenVPN). Each returns the addresses between which the measurements run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import { CABLE, type Pair } from './pair.ts';

/** A tunnel (or none) that is up. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Where the server listens, as seen from the left host. */
  readonly server: string;
}

function peer(name: string, server: string, processes: readonly Background[] = []): Peer {
  return {
    name,
    server,
    [Symbol.asyncDispose]: async () => {
      for (const process of processes) await process.stop('SIGTERM');
    },
  };
}

export function plain(): Peer {
  return peer('plain cable', CABLE.right4);
}

export function plain6(): Peer {
  return peer('plain cable, IPv6', CABLE.right6);
}

export async function vxlan(pair: Pair): Promise<Peer> {
  for (const [namespace, local, remote, inner] of [
    [pair.left, CABLE.left4, CABLE.right4, '10.1.0.1'],
    [pair.right, CABLE.right4, CABLE.left4, '10.1.0.2'],
  ] as const) {
    await ipBatch(
      [
        `link add vx0 type vxlan id 7 local ${local} remote ${remote} dstport 4789 dev eth0`,
        `address add ${inner}/24 dev vx0`,
        'link set vx0 mtu 1450 up',
      ],
      { namespace },
    );
  }
  return peer('kernel VXLAN', '10.1.0.2');
}

/** Debian's wireguard-go. Each end knows the other's address, so either side may begin. */
export async function wireguardGo(pair: Pair, directory: string, endpoints = CABLE): Promise<Peer> {
  mkdirSync('/run/wireguard', { recursive: true });
  const ends = [
    {
      namespace: pair.left,
      device: 'wgl',
      inner: '10.2.0.1',
      port: 51820,
      remote: endpoints.right4,
      allowed: '10.2.0.2/32',
    },
    {
      namespace: pair.right,
      device: 'wgr',
      inner: '10.2.0.2',
      port: 51820,
      remote: endpoints.left4,
      allowed: '10.2.0.1/32',
    },
  ];
  const keys = await Promise.all(ends.map(async () => (await run(['wg', 'genkey'])).trim()));
  const publics = await Promise.all(keys.map(async (key) => (await run(['wg', 'pubkey'], { input: key })).trim()));
  const processes: Background[] = [];
  for (const [at, end] of ends.entries()) {
    const file = `${directory}/${end.device}.key`;
    writeFileSync(file, keys[at] ?? '', { mode: 0o600 });
    processes.push(
      new Background(['wireguard-go', '-f', end.device], {
        namespace: end.namespace,
        logFile: `${directory}/${end.device}.log`,
        environment: { WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'error' },
      }),
    );
    await waitFor(
      async () => (await run(['sh', '-c', 'wg show interfaces'], { namespace: end.namespace })).includes(end.device),
      { timeoutMs: 5_000, what: `wireguard-go's ${end.device}` },
    );
    const other = publics[1 - at] ?? '';
    await run(
      [
        'wg',
        'set',
        end.device,
        'private-key',
        file,
        'listen-port',
        String(end.port),
        'peer',
        other,
        'allowed-ips',
        end.allowed,
        'endpoint',
        `${end.remote}:${end.port}`,
      ],
      { namespace: end.namespace },
    );
    await ipBatch([`address add ${end.inner}/24 dev ${end.device}`, `link set ${end.device} mtu 1420 up`], {
      namespace: end.namespace,
    });
  }
  return peer('wireguard-go', '10.2.0.2', processes);
}
