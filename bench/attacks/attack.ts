/**
 * The parts of `bench attacks`: a target is a daemon in the lab with honest clients beside it, an
 * attack is what an attacker in a namespace of its own sends to it.
 */
import type { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { nowMs, run, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { framesOf } from './frames.ts';
import { type Pool, writePool } from './pools.ts';

/** What an attack is to do; the programs and this table keep to both limits. */
export interface Order {
  readonly perSecond: number;
  readonly seconds: number;
}

export interface Sent {
  readonly sent: number;
  readonly seconds: number;
}

export interface Attack<T extends Running> {
  readonly key: string;
  readonly title: string;
  /** Packets or attempts in a second unless `--rate` says otherwise. */
  readonly perSecond: number;
  launch(target: T, order: Order): Promise<Sent>;
}

/** A started target. */
export interface Running extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  /** Where the packets of an attack arrive. */
  readonly arrival: { readonly namespace: string; readonly device: string };
  readonly honest: HonestClients;
}

interface BoundAttack extends Omit<Attack<Running>, 'launch'> {
  launch(order: Order): Promise<Sent>;
}

export interface Target {
  readonly key: string;
  readonly attackKeys: readonly string[];
  open(): Promise<{ readonly running: Running; readonly attacks: readonly BoundAttack[] }>;
}

export function targetOf<T extends Running>(
  key: string,
  start: () => Promise<T>,
  attacks: readonly Attack<T>[],
): Target {
  return {
    key,
    attackKeys: attacks.map((attack) => attack.key),
    open: async () => {
      const running = await start();
      const bound = attacks.map(({ launch, ...attack }) => ({
        ...attack,
        launch: (order: Order) => launch(running, order),
      }));
      return { running, attacks: bound };
    },
  };
}

/** One attempt of an honest client: when it began, and its duration; null without success. */
interface Attempt {
  readonly at: number;
  readonly ms: number | null;
}

function isAttempt(value: unknown): value is Attempt {
  return typeof value === 'object' && value !== null && 'at' in value && 'ms' in value;
}

/** Honest clients give up after this time. */
export const PATIENCE_MS = 3_000;

/** A program that makes attempts all the time and prints one {@link Attempt} a line. */
export class HonestClients {
  readonly #output: () => string;

  private constructor(output: () => string) {
    this.#output = output;
  }

  static async start(
    lab: Lab,
    namespace: string,
    program: string,
    options: Readonly<Record<string, unknown>>,
  ): Promise<HonestClients> {
    const file = new URL(program, import.meta.url).pathname;
    const argv = [process.execPath, file, JSON.stringify(options)];
    const started = lab.spawn(namespace, argv, { logName: `honest.${namespace}` });
    await started.ready('ready', 20_000);
    return new HonestClients(() => started.output());
  }

  /** The attempts that began in a window of time, when all of them are over. */
  async attempts(fromMs: number, toMs: number): Promise<readonly Attempt[]> {
    const over = () => nowMs() > toMs + PATIENCE_MS + 200;
    await waitFor(over, { timeoutMs: 60_000, what: 'attempts to end', intervalMs: 50 });
    const lines = this.#output().split('\n');
    const all = lines
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line): unknown => JSON.parse(line))
      .filter(isAttempt);
    return all.filter(({ at }) => at >= fromMs && at < toMs);
  }
}

const GENERATOR = new URL('../../native/build/sojourn-flood', import.meta.url).pathname;

function isSent(value: unknown): value is Sent {
  return typeof value === 'object' && value !== null && 'sent' in value && 'seconds' in value;
}

async function send(
  { namespace, device, pool, frames }: Link & { readonly pool: Pool; readonly frames: boolean },
  { perSecond, seconds }: Order,
): Promise<Sent> {
  const file = `${LAB_DIRECTORY}/flood.pool`;
  writePool(file, pool);
  const options = ['--device', device, ...(frames ? ['--frames'] : [])];
  const limits = ['--rate', String(perSecond), '--seconds', String(Math.ceil(seconds))];
  return sentOf(await run([GENERATOR, ...options, ...limits, file], { namespace }));
}

interface Link {
  readonly namespace: string;
  readonly device: string;
}

/** Sends a pool from the core, where no router filters source addresses. */
export async function flood(pool: Pool, order: Order): Promise<Sent> {
  const { frames, ...link } = await framesOf(pool);
  return await send({ ...link, pool: frames, frames: true }, order);
}

/** Sends a pool of whole packets from a host on a link. */
export function floodFrom(link: Link, pool: Pool, order: Order): Promise<Sent> {
  return send({ ...link, pool, frames: false }, order);
}

/** Runs a program of this folder that attacks and prints what it sent. */
export async function attackProgram(
  namespace: string,
  program: string,
  options: Readonly<Record<string, unknown>>,
): Promise<Sent> {
  const file = new URL(program, import.meta.url).pathname;
  const argv = [process.execPath, file, JSON.stringify(options)];
  return sentOf(await run(argv, { namespace, timeoutMs: 120_000 }));
}

function sentOf(printed: string): Sent {
  const report: unknown = JSON.parse(printed.trim().split('\n').at(-1) ?? '');
  if (!isSent(report)) throw new Error(`an attack printed ${printed}`);
  return report;
}

/** Packets that a device of a namespace has received. */
export async function packetsReceived({ namespace, device }: Running['arrival']): Promise<number> {
  const table = await run(['cat', '/proc/net/dev'], { namespace });
  const line = table.split('\n').find((text) => text.trim().startsWith(`${device}:`));
  return Number(line?.split(':')[1]?.trim().split(/\s+/)[1] ?? Number.NaN);
}
