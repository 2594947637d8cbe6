/**
 * One end of a sealed tunnel, in a separate process in a namespace (`node
 * bench/support/sealed-end.ts '{…}'`): a plane, its keys, one tunnel and one inner prefix, without
 * any protocol. Prints "ready" and runs until it gets a signal.
 */
import { fromHex } from '#base/bytes.ts';
import { type IpAddress, ipv4, parseIpAddress } from '#base/ip.ts';
import type { SealingCipher, SealingKey } from '#engine/contract/ntmobile.ts';
import { openPlane } from '#host/plane/plane.ts';
import type { TunnelLookup } from '#runtime/ports.ts';

export interface SealedEnd {
  readonly device: string;
  readonly lookup: TunnelLookup;
  readonly threads: number;
  readonly port: number;
  readonly local: string;
  readonly remote: string;
  readonly mtu: number;
  /** The mobile side's inner address. */
  readonly inner: string;
  readonly cipher: SealingCipher;
  /** Hexadecimal digits. */
  readonly sendKey: string;
  readonly receiveKey: string;
  /** Index of the leg if `remote` is a relay; absent otherwise. */
  readonly relayIndex?: number;
}

const TUNNEL = 1;

function start(end: SealedEnd): void {
  const plane = openPlane({
    device: end.device,
    lookup: end.lookup,
    deviceMtu: end.mtu,
    udpPort: 0,
    sealedPort: end.port,
    threads: end.threads,
    mark: 0,
    raw: false,
    linkDevices: [],
    holdMs: 0,
  });
  const key = (text: string, spi: number): SealingKey => ({
    spi,
    cipher: end.cipher,
    key: fromHex(text),
  });
  const [own, other] = end.lookup === 'inner-destination' ? [1, 2] : [2, 1];
  plane.sealingKeysSet({
    tunnel: TUNNEL,
    send: key(end.sendKey, other),
    receive: [key(end.receiveKey, own)],
  });
  const at = (text: string): IpAddress => {
    const address = parseIpAddress(text);
    if (address === undefined) throw new Error(`no address: ${text}`);
    return address;
  };
  plane.tunnelSet({
    id: TUNNEL,
    path: {
      carrier: 'udp',
      local: at(end.local),
      remote: at(end.remote),
      localPort: end.port,
      remotePort: end.port,
      relayIndex: end.relayIndex ?? 0,
    },
    protection: 'sealed',
    mtu: end.mtu,
  });
  plane.routeSet({ prefix: { address: ipv4(end.inner), length: 32 }, tunnel: TUNNEL });
  process.once('SIGTERM', () => {
    process.stdout.write(`${JSON.stringify(plane.counters())}\n`);
    plane.close();
    process.exit(0);
  });
  // Keeps the process running: Node does not count the packet threads.
  setInterval(() => {}, 60_000);
  process.stdout.write('ready\n');
}

start(JSON.parse(process.argv[2] ?? ''));
