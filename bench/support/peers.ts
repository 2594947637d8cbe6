/**
 * The contenders beside Sojourn, measured in the same run on the same cable: plain forwarding, the
 * kernel's VXLAN, and the user-space tunnels of Debian (wireguard-go, OpenVPN). Each function
 * returns the addresses between which the measurements run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { attempt, Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import { CABLE, type Pair } from './pair.ts';

/** An established tunnel, or plain forwarding. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** The server's address, as seen from the left host. */
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

/** Endpoints of a user-space tunnel. The left end roams if its address is not given. */
interface Ends {
  readonly left4?: string;
  readonly right4: string;
}

interface WireguardEnd {
  readonly namespace: string;
  readonly device: string;
  readonly inner: string;
  readonly remote: string | undefined;
  readonly allowed: string;
}

const WIREGUARD_PORT = '51820';

/**
 * Sets up Debian's wireguard-go. With a left address, each end knows the other's endpoint and may
 * initiate. Without it, the left end initiates and sends a keepalive every second.
 */
export async function wireguardGo(
  pair: Pair,
  directory: string,
  ends: Ends = CABLE,
): Promise<Peer> {
  mkdirSync('/run/wireguard', { recursive: true });
  const both: readonly WireguardEnd[] = [
    {
      namespace: pair.left,
      device: 'wgl',
      inner: '10.2.0.1',
      remote: ends.right4,
      allowed: '10.2.0.2/32',
    },
    {
      namespace: pair.right,
      device: 'wgr',
      inner: '10.2.0.2',
      remote: ends.left4,
      allowed: '10.2.0.1/32',
    },
  ];
  const keys = await Promise.all(both.map(async () => (await run(['wg', 'genkey'])).trim()));
  const publics = await Promise.all(
    keys.map(async (key) => (await run(['wg', 'pubkey'], { input: key })).trim()),
  );
  const processes: Background[] = [];
  for (const [at, end] of both.entries()) {
    processes.push(await startWireguard(end, directory));
    const keyFile = `${directory}/${end.device}.key`;
    writeFileSync(keyFile, keys[at] ?? '', { mode: 0o600 });
    const argv = ['wg', 'set', end.device, 'private-key', keyFile, 'listen-port', WIREGUARD_PORT];
    argv.push('peer', publics[1 - at] ?? '', 'allowed-ips', end.allowed);
    if (end.remote !== undefined) argv.push('endpoint', `${end.remote}:${WIREGUARD_PORT}`);
    if (end.remote !== undefined && ends.left4 === undefined)
      argv.push('persistent-keepalive', '1');
    await run(argv, { namespace: end.namespace });
    const commands = [
      `address add ${end.inner}/24 dev ${end.device}`,
      `link set ${end.device} mtu 1420 up`,
    ];
    await ipBatch(commands, { namespace: end.namespace });
  }
  if (ends.left4 === undefined)
    processes.push(followRoutes(pair.left, publics[1] ?? '', ends.right4, directory));
  await answers(pair.left, '10.2.0.2');
  return peer('wireguard-go', '10.2.0.2', processes);
}

/**
 * Does the work of a network manager's hook for wireguard-go. Without it, Debian's version keeps
 * sending from the removed address, because it drops a cached source address only on EINVAL, and
 * Linux returns ENETUNREACH.
 */
function followRoutes(
  namespace: string,
  otherKey: string,
  remote: string,
  directory: string,
): Background {
  const set = `wg set wgl peer ${otherKey} endpoint ${remote}:${WIREGUARD_PORT}`;
  const script =
    `ip -4 -oneline monitor route | while read -r line; do case "$line" in default*) ${set};; ` +
    'esac; done';
  return new Background(['sh', '-c', script], { namespace, logFile: `${directory}/wgl.hook.log` });
}

/** Waits until the far end of a tunnel answers pings. */
export async function answers(namespace: string, address: string): Promise<void> {
  const ping = ['ping', '-n', '-c', '1', '-W', '1', address];
  await waitFor(async () => (await attempt(ping, { namespace })).code === 0, {
    timeoutMs: 20_000,
    what: `${address} to answer through the tunnel`,
  });
}

async function startWireguard(
  { namespace, device }: WireguardEnd,
  directory: string,
): Promise<Background> {
  const process = new Background(['wireguard-go', '-f', device], {
    namespace,
    logFile: `${directory}/${device}.log`,
    environment: { WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'error' },
  });
  await waitFor(
    async () => (await run(['sh', '-c', 'wg show interfaces'], { namespace })).includes(device),
    {
      timeoutMs: 5_000,
      what: `wireguard-go's ${device}`,
    },
  );
  return process;
}

/**
 * Sets up Debian's OpenVPN, peer to peer with a static key. The right end follows the left end to
 * any address (`--float`).
 */
export async function openvpn(pair: Pair, directory: string, ends: Ends): Promise<Peer> {
  const key = `${directory}/openvpn.key`;
  await run(['openvpn', '--genkey', 'secret', key]);
  const common = [
    '--proto',
    'udp4',
    '--secret',
    key,
    '--cipher',
    'AES-256-CBC',
    '--ping',
    '1',
    '--verb',
    '3',
  ];
  const start = async (
    namespace: string,
    device: string,
    more: readonly string[],
  ): Promise<Background> => {
    const argv = ['openvpn', '--dev', device, '--dev-type', 'tun', ...common, ...more];
    const process = new Background(argv, { namespace, logFile: `${directory}/${device}.log` });
    await process.ready('link local');
    return process;
  };
  const processes = [
    await start(pair.right, 'ovr', [
      '--float',
      '--local',
      ends.right4,
      '--lport',
      '1194',
      '--ifconfig',
      '10.3.0.2',
      '10.3.0.1',
    ]),
    await start(pair.left, 'ovl', [
      '--remote',
      ends.right4,
      '1194',
      '--nobind',
      '--ifconfig',
      '10.3.0.1',
      '10.3.0.2',
    ]),
  ];
  await answers(pair.left, '10.3.0.2');
  return peer('OpenVPN', '10.3.0.2', processes);
}
