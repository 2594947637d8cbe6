/** Measurements with iperf3 and ping, each from one namespace to an address in another. */
import { readFileSync } from 'node:fs';
import { attempt, Background, type Finished, run } from '#lab/shell.ts';
import { median, percentile } from './report.ts';

interface Endpoint {
  readonly namespace: string;
  readonly address: string;
}

export class IperfServer {
  readonly #server: Background;
  readonly port: number;

  private constructor(server: Background, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(namespace: string, port: number, logDirectory: string): Promise<IperfServer> {
    const argv = ['iperf3', '-s', '-p', String(port), '--forceflush'];
    const server = new Background(argv, {
      namespace,
      logFile: `${logDirectory}/iperf3.${namespace}.${port}.log`,
    });
    await server.ready('Server listening');
    return new IperfServer(server, port);
  }

  async stop(): Promise<void> {
    await this.#server.stop('SIGTERM');
  }
}

interface IperfEnd {
  readonly sum_received?: { readonly bits_per_second: number };
  readonly sum?: {
    readonly packets: number;
    readonly lost_packets: number;
    readonly seconds: number;
  };
}

function isEnd(value: unknown): value is { readonly end: IperfEnd } {
  return (
    typeof value === 'object' && value !== null && 'end' in value && typeof value.end === 'object'
  );
}

async function iperf(
  from: string,
  to: Endpoint,
  port: number,
  options: readonly string[],
): Promise<IperfEnd> {
  const argv = ['iperf3', '-J', '-c', to.address, '-p', String(port), ...options];
  let finished: Finished = await attempt(argv, { namespace: from });
  // The server may still be finishing the previous test.
  for (
    let tries = 0;
    finished.code !== 0 && tries < 5 && /busy|refused/.test(finished.stdout);
    tries += 1
  ) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    finished = await attempt(argv, { namespace: from });
  }
  const parsed: unknown = JSON.parse(finished.stdout);
  if (finished.code !== 0 || !isEnd(parsed))
    throw new Error(`${argv.join(' ')}: ${finished.stdout}${finished.stderr}`);
  return parsed.end;
}

/** The option of iperf3 that sets the source address of a flow. */
const boundTo = (source: string | undefined): readonly string[] =>
  source === undefined ? [] : ['-B', source];

/**
 * Runs one TCP flow, from the address `source` if given; returns the received Gbit/s. `down`: the
 * server sends.
 */
export async function tcp(
  from: string,
  to: Endpoint,
  port: number,
  seconds: number,
  down: boolean,
  source?: string,
): Promise<number> {
  const options = ['-t', String(seconds), '-O', '0.5', ...(down ? ['-R'] : []), ...boundTo(source)];
  const end = await iperf(from, to, port, options);
  return (end.sum_received?.bits_per_second ?? Number.NaN) / 1e9;
}

/**
 * Returns the highest rate of UDP packets with `octets` of payload that arrives with at most 1 %
 * loss, found by a bounded search over offered rates.
 */
export async function udpPacketsPerSecond(
  from: string,
  to: Endpoint,
  port: number,
  octets: number,
  seconds: number,
  source?: string,
): Promise<number> {
  let low = 0;
  let best = 0;
  let offered = 50_000;
  let high = Number.POSITIVE_INFINITY;
  for (let probe = 0; probe < 9; probe += 1) {
    const bitrate = String(Math.round(offered * octets * 8));
    const end = await iperf(from, to, port, [
      '-u',
      '-l',
      String(octets),
      '-b',
      bitrate,
      '-t',
      String(seconds),
      '-w',
      '4M',
      ...boundTo(source),
    ]);
    const sum = end.sum;
    if (sum === undefined) break;
    const sent = sum.packets / sum.seconds;
    const arrived = (sum.packets - sum.lost_packets) / sum.seconds;
    const good = sum.lost_packets <= 0.01 * sum.packets;
    if (good) {
      best = Math.max(best, arrived);
      low = offered;
      // The sender is the bottleneck: it cannot offer a higher rate.
      if (sent < 0.9 * offered) break;
    } else high = offered;
    offered = high === Number.POSITIVE_INFINITY ? offered * 2 : (low + high) / 2;
    if (high - low < 0.06 * high) break;
  }
  return best;
}

interface RoundTrip {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Round trips of `count` pings, 2 ms apart, one at a time. */
export async function roundTrip(from: string, to: Endpoint, count: number): Promise<RoundTrip> {
  const text = await run(['ping', '-n', '-i', '0.002', '-c', String(count), to.address], {
    namespace: from,
  });
  const times = [...text.matchAll(/time=([0-9.]+) ms/g)].map((match) => Number(match[1]) * 1000);
  return { p50Us: median(times), p99Us: percentile(times, 99) };
}

/** Resident set of a process, octets. */
export function residentOctetsOf(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kibibytes === undefined) throw new Error(`no VmRSS of process ${pid}`);
  return Number(kibibytes) * 1024;
}
