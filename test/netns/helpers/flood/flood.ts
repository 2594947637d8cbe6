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
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: make -C native/tools`);
  files += 1;
  const file = `${lab.logDirectory}/flood-${files}`;
  writeFileSync(
    file,
    packets.map(({ octets, checksumAt }) => `${hex(octets)} ${checksumAt ?? 0}\n`).join(''),
  );
  const argv = [PROGRAM, '--rate', String(options.rate), '--seconds', String(options.seconds)];
  if (options.source !== undefined) argv.push('--source', options.source);
  for (const [at, octets] of options.vary ?? []) argv.push('--vary', `${at}:${octets}`);
  if (options.device !== undefined) argv.push('--device', options.device);
  if (options.frames === true) argv.push('--frames');
  const { stdout } = await lab.attempt(namespace, [...argv, file], {
    timeoutMs: options.seconds * 1000 + 30_000,
  });
  const report: FloodReport = JSON.parse(stdout);
  return report;
}
