/** The hosts of plane-hosts.ts with a sealed tunnel between them. */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { SealingCipher } from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { Background, waitFor } from '#lab/shell.ts';
import type { HexKey, Keys } from './plane-end.ts';
import { OUTER, PlaneHosts, SEALED_PORT, TUNNEL, tunnelOf } from './plane-hosts.ts';

export interface Sealing {
  readonly family: 4 | 6;
  readonly cipher: SealingCipher;
}

export const AES: Sealing = { family: 4, cipher: 'aes-128-gcm' };
export const CHACHA: Sealing = { family: 6, cipher: 'chacha20-poly1305' };

/** Octets that the tunnel adds to an inner packet. */
export const OVERHEAD = { 4: 20 + 8 + 24, 6: 40 + 8 + 24 } as const;

export type Side = 'homeAgent' | 'node';
const OTHER = { homeAgent: 'node', node: 'homeAgent' } as const;
const FIRST_SPI = { homeAgent: 0x0a00000, node: 0xfb00000 } as const;

/** The key with which `receiver` receives in generation `generation`. */
export function keyOf(receiver: Side, cipher: SealingCipher, generation = 1): HexKey {
  const digest = createHash('sha256').update(`${receiver} ${generation}`).digest('hex');
  const digits = cipher === 'aes-128-gcm' ? 32 : 64;
  return { spi: FIRST_SPI[receiver] + generation, cipher, key: digest.slice(0, digits) };
}

/** The sealing keys of `side`, for sending and receiving in the given generations. */
export function keysOf(
  side: Side,
  cipher: SealingCipher,
  send: number,
  receive: readonly number[],
): Keys {
  return {
    tunnel: TUNNEL,
    send: keyOf(OTHER[side], cipher, send),
    receive: receive.map((generation) => keyOf(side, cipher, generation)),
  };
}

/** From the node to the home agent. */
export function pathTo(family: 4 | 6, relayIndex = 0): Extract<PacketPath, { kind: 'datagram' }> {
  return {
    ...{ kind: 'datagram', localPort: SEALED_PORT, remotePort: SEALED_PORT, relayIndex },
    local: family === 4 ? ipv4(OUTER.node4) : ipv6(OUTER.node6),
    remote: family === 4 ? ipv4(OUTER.homeAgent4) : ipv6(OUTER.homeAgent6),
  };
}

/** Two planes, one cable, one sealed tunnel of generation 1. */
export async function sealedHosts(
  { family, cipher }: Sealing,
  threads: number,
): Promise<PlaneHosts> {
  const hosts = await PlaneHosts.create('sealed', threads);
  for (const side of ['homeAgent', 'node'] as const) {
    await hosts[side].ask({ associationsSet: keysOf(side, cipher, 1, [1]) });
    await hosts[side].ask({ tunnelSet: tunnelOf(side, 'sealed', 1500 - OVERHEAD[family], family) });
  }
  return hosts;
}

function nonceOf(counter: bigint): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(counter, 4);
  return nonce;
}

/**
 * An independent reader and writer of the framing of docs/reference/ntmobile.md, by Node's own
 * OpenSSL.
 */
export function openByHand(datagram: Uint8Array, { cipher, key }: HexKey, counter: bigint): Buffer {
  const [bytes, nonce] = [Buffer.from(key, 'hex'), nonceOf(counter)];
  const decipher =
    cipher === 'aes-128-gcm'
      ? createDecipheriv(cipher, bytes, nonce, { authTagLength: 16 })
      : createDecipheriv(cipher, bytes, nonce, { authTagLength: 16 });
  decipher.setAAD(datagram.subarray(0, 8), { plaintextLength: datagram.length - 24 });
  decipher.setAuthTag(datagram.subarray(-16));
  return Buffer.concat([decipher.update(datagram.subarray(8, -16)), decipher.final()]);
}

export function sealByHand(
  inner: Uint8Array,
  { cipher, key, spi }: HexKey,
  counter: bigint,
): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x10000000 + spi, 0);
  header.writeUInt32BE(Number(counter & 0xffffffffn), 4);
  const [bytes, nonce] = [Buffer.from(key, 'hex'), nonceOf(counter)];
  const sealing =
    cipher === 'aes-128-gcm'
      ? createCipheriv(cipher, bytes, nonce, { authTagLength: 16 })
      : createCipheriv(cipher, bytes, nonce, { authTagLength: 16 });
  sealing.setAAD(header, { plaintextLength: inner.length });
  const text = Buffer.concat([sealing.update(inner), sealing.final()]);
  return Buffer.concat([header, text, sealing.getAuthTag()]);
}

const LISTENER = `const socket = require('node:dgram').createSocket(process.argv[1]);
socket.on('message', (datagram) => console.log(datagram.toString('hex')));
socket.bind(Number(process.argv[2]), () => console.log('listening'));`;

/** Receives datagrams at a port that no plane uses. */
export class Listener implements AsyncDisposable {
  readonly #process: Background;

  private constructor(process: Background) {
    this.#process = process;
  }

  static async open(namespace: string, family: 4 | 6, port: number): Promise<Listener> {
    const argv = [process.execPath, '-e', LISTENER, `udp${family}`, String(port)];
    const background = new Background(argv, {
      namespace,
      logFile: `/run/${namespace}-listener-${port}.log`,
    });
    await background.ready('listening');
    return new Listener(background);
  }

  /** The first `count` datagrams. */
  async datagrams(count: number): Promise<readonly Buffer[]> {
    const lines = await waitFor(
      () => {
        const whole = this.#process.output().split('\n').slice(1, -1);
        return whole.length >= count ? whole : undefined;
      },
      { timeoutMs: 10_000, what: `${count} datagrams` },
    );
    return lines.slice(0, count).map((line) => Buffer.from(line, 'hex'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop('SIGTERM');
  }
}
