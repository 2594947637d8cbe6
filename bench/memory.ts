/**
 * Measures the memory of whole daemons with many nodes: a home agent with bindings, a direction
 * coordinator with registered nodes, a relay with their sessions. The limits of the units
 * (`MemoryMax=`) rest on it.
 */
import { readFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import { DaemonProcess, homeAgentConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE } from '#lab/ntmobile/ntmobile-lab.ts';
import { run } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { startServers } from './attacks/coordinator-and-relay.ts';
import { mobileNodeOf, prefixGroupsOf } from './attacks/home-agent.ts';
import { ATTACKER } from './attacks/lab-names.ts';
import type { BindingLoad } from './support/binding-load.ts';
import { progress, type Report, type Row, thisMachine } from './support/report.ts';
import type { SessionLoad } from './support/session-load.ts';

export interface MemorySettings {
  readonly bindings: number;
  readonly nodes: number;
}

const LONGEST_RUN_MS = 600_000;
/** No cookies: one host has all nodes. */
const HANDSHAKES_PER_SECOND = 1_000_000;

const programOf = (name: string): string => new URL(`support/${name}`, import.meta.url).pathname;

/** Resident memory, MiB: now, and at its peak. */
function residentOf({ pid }: DaemonProcess): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
  return { now: mebibytes('VmRSS'), peak: mebibytes('VmHWM') };
}

interface Loaded {
  readonly what: string;
  readonly daemon: DaemonProcess;
  readonly count: number;
  readonly program: string;
  readonly load: BindingLoad | SessionLoad;
}

async function measure({ what, daemon, count, program, load }: Loaded): Promise<Row> {
  progress(`${count} ${what}`);
  const before = residentOf(daemon);
  const argv = [process.execPath, programOf(program), JSON.stringify(load)];
  const options = { namespace: ATTACKER.namespace, timeoutMs: LONGEST_RUN_MS };
  const granted = Number(await run(argv, options));
  const after = residentOf(daemon);
  return {
    ...{ daemon: daemon.name, what, count: granted },
    'MiB before': before.now,
    'MiB after': after.now,
    'MiB at the peak': after.peak,
    'octets each': Math.round(((after.now - before.now) * 2 ** 20) / granted),
  };
}

async function homeAgent(count: number): Promise<Row> {
  await using lab = await Lab.create({ networks: [] });
  const homePrefix = prefixGroupsOf(ADDRESSES.virtualHomePrefix);
  const mobileNodes = Array.from({ length: count }, (_, node) => mobileNodeOf(homePrefix, node));
  const configuration = homeAgentConfiguration({ homeLink: false, homeAgent: { mobileNodes } });
  const daemon = new DaemonProcess(lab, 'ha', 'home', configuration);
  await daemon.start();
  const { homeAgentIpv6, homeAgentIpv4 } = ADDRESSES;
  const load = {
    ...{ count, homePrefix, source: ATTACKER.ipv4 },
    ...{ homeAgent: homeAgentIpv6, homeAgentIpv4 },
  };
  return await measure({
    ...{ what: 'bindings', daemon, count, load, program: 'binding-load.ts' },
  });
}

async function servers(count: number): Promise<readonly Row[]> {
  const found = await startServers({ handshakesPerSecond: HANDSHAKES_PER_SECOND });
  await using _lab = found.lab;
  const common = { count, port: NTMOBILE.port, source: ATTACKER.ipv6 };
  const program = 'session-load.ts';
  const coordinator = await measure({
    ...{ what: 'registered nodes', daemon: found.coordinator, count, program },
    load: {
      ...{ ...common, publicKey: hex(found.coordinatorKey), use: HandshakeUse.coordinator },
      ...{ server: ADDRESSES.coordinatorIpv6, request: 'registration-request' },
    },
  });
  const relay = await measure({
    ...{ what: 'sessions of nodes', daemon: found.relay, count, program },
    load: {
      ...{ ...common, publicKey: hex(found.relayKey), use: HandshakeUse.relay },
      ...{ server: ADDRESSES.relayIpv6, request: 'keep-alive' },
    },
  });
  return [coordinator, relay];
}

export async function memory({ bindings, nodes }: MemorySettings): Promise<Report> {
  const rows = [await homeAgent(bindings), ...(await servers(nodes))];
  const results = Object.fromEntries(
    rows.map((row) => [`${row['daemon']}_peak_mib`, Number(row['MiB at the peak'])]),
  );
  return {
    ...{ benchmark: 'memory', machine: thisMachine(), settings: { bindings, nodes } },
    ...{ rows, results },
  };
}
