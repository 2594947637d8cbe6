/**
 * A request of `sojourn` to a daemon: finds its socket, sends the command, prints the answer as a
 * table or as JSON, once or repeatedly.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { formatAnswer } from '#daemon/answers/views.ts';
import { ask, ControlUnavailable, refusalText } from '#daemon/control/control-client.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { chooseSocket } from './control-socket-paths.ts';

/** The options of every command. */
export interface GlobalOptions {
  readonly json?: true;
  readonly socket?: string;
  readonly daemon?: string;
  readonly timeout: number;
  /** Seconds between two answers; true for the default. */
  readonly watch?: number | true;
}

/** Sends a command to the chosen daemon and prints the answer. */
export type AnswerPrinter = (
  options: GlobalOptions,
  command: string,
  parameters: JsonObject,
) => Promise<void>;

/** Ends the program with this exit code; the message goes to standard error. */
export class CommandFailure extends Error {
  override readonly name = 'Failure';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Commands whose answer decides the exit code. */
const SETTLING: ReadonlySet<string> = new Set(['status', 'killswitch']);
const WATCH_SECONDS = 2;
const CLEAR_SCREEN = '\u001b[H\u001b[2J';

export function socketOf(options: GlobalOptions): string {
  const chosen = chooseSocket(options);
  if (chosen.ok) return chosen.path;
  throw new CommandFailure(
    chosen.reason === 'several' ? ExitCode.usage : ExitCode.unavailable,
    chosen.message,
  );
}

export async function printAnswer(
  options: GlobalOptions,
  command: string,
  parameters: JsonObject,
): Promise<void> {
  const value = await answerOf(options, command, parameters);
  process.stdout.write(`${shown(options, command, value)}\n`);
  if (SETTLING.has(command) && !isSettled(value)) process.exitCode = ExitCode.negative;
}

/**
 * For a query, which changes nothing: prints once, or with `--watch` until interrupted.
 */
export async function printQuery(options: GlobalOptions, command: string): Promise<void> {
  if (options.watch === undefined) {
    await printAnswer(options, command, {});
    return;
  }
  const path = socketOf(options);
  const seconds = options.watch === true ? WATCH_SECONDS : options.watch;
  for (;;) {
    process.stdout.write(await frame({ ...options, socket: path }, command, seconds));
    await sleep(seconds * 1000);
  }
}

/** One of repeated answers, as a JSON line or a screen; an unreachable daemon is shown as such. */
async function frame(options: GlobalOptions, command: string, seconds: number): Promise<string> {
  const value = await answerOf(options, command, {}).catch((thrown: unknown) => {
    if (thrown instanceof ControlUnavailable) return thrown;
    throw thrown;
  });
  const unreachable = value instanceof ControlUnavailable;
  if (options.json) return `${JSON.stringify(unreachable ? { error: value.message } : value)}\n`;
  const head = `sojourn ${command}  ${new Date().toLocaleTimeString()}  (every ${seconds} s)`;
  const body = unreachable ? value.message : shown(options, command, value);
  const text = `${head}\n\n${body}\n`;
  return process.stdout.isTTY ? `${CLEAR_SCREEN}${text}` : `${text}\n`;
}

export async function answerOf(
  options: GlobalOptions,
  command: string,
  parameters: JsonObject,
): Promise<JsonValue> {
  const { ok, value } = await ask(socketOf(options), command, parameters, options.timeout);
  if (!ok) throw new CommandFailure(ExitCode.negative, `${command}: ${refusalText(value)}`);
  return value;
}

function shown({ json }: GlobalOptions, command: string, value: JsonValue): string {
  return json ? JSON.stringify(value, undefined, 2) : formatAnswer(command, value, Date.now());
}

/**
 * A mobile node or router is settled if each home is registered or at home, an NTMobile node if it
 * is registered with its coordinator, a relay if it is registered with some coordinator. No daemon
 * is settled while its TUN device is missing, or while nft refuses to close or open its kill
 * switch.
 */
export function isSettled(status: JsonValue): boolean {
  if (!isJsonObject(status)) return true;
  const { role, homes, ntmobile, registrations, host, killSwitch } = status;
  if (killSwitch === 'closing' || killSwitch === 'opening') return false;
  const atHome = every(homes, ({ phase }) => SETTLED_PHASES.has(String(phase)));
  const joined = !isJsonObject(ntmobile) || ntmobile['coordinator'] === 'registered';
  const relaying =
    role !== 'relay' || !every(registrations, ({ registered }) => registered !== true);
  return atHome && joined && relaying && hasTunnelDevice(host);
}

/** Nothing enters or leaves a tunnel while its device waits for a repair. */
function hasTunnelDevice(host: JsonValue | undefined): boolean {
  return !isJsonObject(host) || every(host['pending'], ({ what }) => what !== 'tunnel-device');
}

function every(list: JsonValue | undefined, holds: (one: JsonObject) => boolean): boolean {
  return !isJsonList(list) || list.every((one) => isJsonObject(one) && holds(one));
}

const SETTLED_PHASES: ReadonlySet<string> = new Set(['registered', 'refreshing', 'at-home']);
