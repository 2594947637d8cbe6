/** Floods of given packets by native/tools/flood.cc, from a namespace of the lab. */
import { existsSync, writeFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import type { Lab } from '#lab/topology.ts';

const PROGRAM = new URL('../../../../native/build/sojourn-flood', import.meta.url).pathname;

/** A packet, and the offset of its checksum if the changes of a flood alter that. */
export interface FloodPacket {
  readonly octets: Uint8Array;
  readonly checksumAt?: number;
}

export interface FloodOptions {
  /** Packets a second. */
  readonly rate: number;
  readonly seconds: number;
  /** The source address of each packet is random within this prefix. */
  readonly source?: string;
  /** Offsets and numbers of octets that are random in each packet. */
  readonly vary?: readonly (readonly [at: number, octets: number])[];
  readonly device?: string;
  /** The packets are whole frames for `device`. */
  readonly frames?: boolean;
}

interface FloodReport {
  readonly sent: number;
  readonly refused: number;
  readonly seconds: number;
}

let files = 0;

/** Sends until `seconds` have passed. */
export async function flood(
  lab: Lab,
  namespace: string,
  packets: readonly FloodPacket[],
  options: FloodOptions,
): Promise<FloodReport> {
  const argv = commandOf(lab, packets, options);
  const { stdout } = await lab.attempt(namespace, argv, {
    timeoutMs: options.seconds * 1000 + 30_000,
  });
  const report: FloodReport = JSON.parse(stdout);
  return report;
}

/** Sends while `body` runs, which has to end before `seconds` have passed. */
export async function floodDuring(
  lab: Lab,
  namespace: string,
  packets: readonly FloodPacket[],
  options: FloodOptions,
  body: () => Promise<void>,
): Promise<FloodReport> {
  const sending = lab.spawn(namespace, commandOf(lab, packets, options));
  try {
    await body();
    if (sending.finished !== undefined) throw new Error('the flood ended first');
  } finally {
    sending.kill();
    await sending.exited;
  }
  const report: FloodReport = JSON.parse(sending.output());
  return report;
}

function commandOf(
  { logDirectory }: Lab,
  packets: readonly FloodPacket[],
  options: FloodOptions,
): readonly string[] {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: make -C native/tools`);
  files += 1;
  const file = `${logDirectory}/flood-${files}`;
  writeFileSync(
    file,
    packets.map(({ octets, checksumAt }) => `${hex(octets)} ${checksumAt ?? 0}\n`).join(''),
  );
  const argv = [PROGRAM, '--rate', String(options.rate), '--seconds', String(options.seconds)];
  if (options.source !== undefined) argv.push('--source', options.source);
  for (const [at, octets] of options.vary ?? []) argv.push('--vary', `${at}:${octets}`);
  if (options.device !== undefined) argv.push('--device', options.device);
  if (options.frames === true) argv.push('--frames');
  return [...argv, file];
}
