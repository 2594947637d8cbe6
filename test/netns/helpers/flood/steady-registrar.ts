/**
 * A mobile node that registers and de-registers again and again, and measures how long the home
 * agent takes. It takes its {@link RegistrarOptions} as JSON, and prints a {@link RegistrarReport}
 * for each line of standard input: the attempts since the line before.
 */
import { createInterface } from 'node:readline';
import { isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6, isIpv6, parseIpAddress } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { openPlane } from '#host/plane/plane.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';

interface RegistrarOptions {
  readonly careOf: string;
  readonly homeAddress: string;
  readonly homeAgent: string;
  /** Its IPv4 address for a care-of address of that family. */
  readonly homeAgentIpv4: string;
  readonly identifier: string;
  readonly spi: number;
  readonly key: string;
  /** Time between two attempts, and after which one has failed. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface RegistrarReport {
  readonly attempts: number;
  readonly answered: number;
  readonly medianMs: number;
  readonly p90Ms: number;
}

const UDP_PORT = 4191;
const options: RegistrarOptions = JSON.parse(process.argv[2] ?? '');
const careOf = ((address) => {
  if (address === undefined) throw new Error('no care-of address');
  return address;
})(parseIpAddress(options.careOf));
const homeAgent = ipv6(options.homeAgent);
const overIpv6 = isIpv6(careOf);
const path: PacketPath = isIpv6(careOf)
  ? { kind: 'ipv6' }
  : {
      ...{ kind: 'udp', local: careOf, localPort: UDP_PORT },
      ...{ remote: ipv4(options.homeAgentIpv4), remotePort: UDP_PORT },
    };
const plane = openPlane({
  ...{ device: 'registrar', lookup: 'inner-source', deviceMtu: 1400, udpPort: UDP_PORT },
  ...{ threads: 1, mark: 0, raw: true, linkDevices: [], holdMs: 0 },
});
plane.setLocalAddresses(overIpv6 ? [careOf] : [ipv6(options.homeAddress)]);

const startedAt = new Map<number, number>();
let times: number[] = [];
let sequence = Math.floor(Math.random() * 0x8000);

plane.onPunt(({ packet }) => {
  const parsed = ipv6Codec.parse(packet);
  const read = isMalformed(parsed) ? parsed : mobilityCodec.parse(parsed.payload);
  if (isMalformed(read) || read.message.type !== 'binding-acknowledgement') return;
  const at = startedAt.get(read.message.sequence);
  if (at === undefined || read.message.status !== 0) return;
  startedAt.delete(read.message.sequence);
  times.push(performance.now() - at);
});

function attempt(): void {
  sequence = (sequence + 1) & 0xffff;
  const { packet } = buildBindingUpdate({
    ...{ homeAddress: ipv6(options.homeAddress), careOfAddress: careOf },
    target: {
      address: homeAgent,
      outerAddress: overIpv6 ? homeAgent : ipv4(options.homeAgentIpv4),
    },
    ...{ sequence, lifetimeUnits: sequence % 2 === 0 ? 100 : 0, linkLocalCompatibility: false },
    ...{ forceUdp: false, ipv4HomeAddress: undefined, identifier: options.identifier },
    timestamp: ntpTimestamp(wall(Date.now())),
    registrationKey: {
      spi: options.spi,
      algorithm: 'hmac-sha256-128',
      key: new TextEncoder().encode(options.key),
    },
    udpPort: UDP_PORT,
    roleOptions: { mobileRouter: false, options: [] },
  });
  startedAt.set(sequence, performance.now());
  plane.inject(path, packet);
}

/** A report of the attempts that are over: answered, or `timeoutMs` old. */
async function report(): Promise<RegistrarReport> {
  const open = [...startedAt.keys()];
  const limit = performance.now() + options.timeoutMs;
  while (open.some((one) => startedAt.has(one)) && performance.now() < limit)
    await new Promise((resolve) => setTimeout(resolve, 5));
  const missing = [...startedAt.values()].filter(
    (at) => performance.now() - at >= options.timeoutMs,
  );
  const sorted = [...times, ...missing.map(() => options.timeoutMs)].sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round((sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN) * 10) / 10;
  const result = {
    ...{ attempts: sorted.length, answered: times.length },
    ...{ medianMs: at(0.5), p90Ms: at(0.9) },
  };
  times = [];
  for (const [one, began] of startedAt)
    if (performance.now() - began >= options.timeoutMs) startedAt.delete(one);
  return result;
}

const timer = setInterval(attempt, options.intervalMs);
for await (const _ of createInterface(process.stdin))
  process.stdout.write(`${JSON.stringify(await report())}\n`);
clearInterval(timer);
plane.close();
