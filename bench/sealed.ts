/**
 * Contenders with sealed tunnels: two data planes with keys set by hand, because the benchmark
 * measures only the plane.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { SealingCipher } from '#engine/contract/ntmobile.ts';
import { Background, ipBatch } from '#lab/shell.ts';
import { CABLE, type Pair } from './support/pair.ts';
import type { Peer } from './support/peers.ts';
import type { SealedEnd } from './support/sealed-end.ts';

/** The cable's 1500 octets minus outer IPv4 and UDP header, sealed header and tag. */
const MTU = 1500 - 20 - 8 - 24;

/** Addresses of the tunnels of each cipher. */
const SETTINGS = {
  'aes-128-gcm': { port: 7890, network: '10.4.0', label: 'a' },
  'chacha20-poly1305': { port: 7891, network: '10.5.0', label: 'c' },
} as const;

export async function sealed(
  pair: Pair,
  directory: string,
  cipher: SealingCipher,
  threads: number,
): Promise<Peer> {
  const { port, network, label } = SETTINGS[cipher];
  const inner = { left: `${network}.1`, right: `${network}.2` };
  const octets = cipher === 'aes-128-gcm' ? 16 : 32;
  const [up, down] = [randomBytes(octets).toString('hex'), randomBytes(octets).toString('hex')];
  const common = { threads, port, mtu: MTU, inner: inner.left, cipher };
  const left: SealedEnd = {
    ...{
      ...common,
      device: `sealed-${label}l`,
      lookup: 'inner-source',
      sendKey: up,
      receiveKey: down,
    },
    ...{ local: CABLE.left4, remote: CABLE.right4 },
  };
  const right: SealedEnd = {
    ...{
      ...common,
      device: `sealed-${label}r`,
      lookup: 'inner-destination',
      sendKey: down,
      receiveKey: up,
    },
    ...{ local: CABLE.right4, remote: CABLE.left4 },
  };
  const processes: Background[] = [];
  for (const [namespace, end, own] of [
    [pair.left, left, inner.left],
    [pair.right, right, inner.right],
  ] as const) {
    const argv = [
      process.execPath,
      join(import.meta.dirname, 'support/sealed-end.ts'),
      JSON.stringify(end),
    ];
    const background = new Background(argv, {
      namespace,
      logFile: `${directory}/${end.device}.log`,
    });
    await background.ready('ready');
    processes.push(background);
    await ipBatch([`address add ${own}/24 dev ${end.device}`], { namespace });
  }
  const name = cipher === 'aes-128-gcm' ? 'AES-128-GCM' : 'ChaCha20-Poly1305';
  return {
    name: `Sojourn sealed, ${name}, ${threads} thread${threads === 1 ? '' : 's'}`,
    server: inner.right,
    [Symbol.asyncDispose]: async () => {
      for (const background of processes) await background.stop('SIGTERM');
    },
  };
}
