/**
 * The mould of every daemon: arguments, configuration, log, control socket, start, signals, stop,
 * exit code. It reads and checks everything before it touches the machine; `--check` stops in
 * between.
 */
import { setFlagsFromString } from 'node:v8';
import { CommanderError } from 'commander';
import type { JsonValue } from '#base/json.ts';
import type { EventName } from '#engine/common/event-table.ts';
import type { EventSink } from '#runtime/ports.ts';
import { StatusReporter } from './answers/status-line.ts';
import { reportCheck, writeFaults } from './configuration/check-report.ts';
import {
  type ConfigurationDocument,
  type Loaded,
  loadConfiguration,
} from './configuration/config.ts';
import { ControlServer, ControlSocketError, removeStale } from './control/control-socket.ts';
import { EventHistory, fanOut } from './control/event-history.ts';
import { daemonCommand } from './daemon-command.ts';
import {
  type Identity,
  identitySchema,
  type LogLevel,
  type ServiceSettings,
} from './daemon-settings.ts';
import { useDirectoriesOfUnit } from './directories.ts';
import { ExitCode } from './exit-codes.ts';
import { createLog, type Log } from './log.ts';
import { MessageWatch } from './messages/message-watch.ts';
import { Metrics } from './metrics/metrics.ts';
import { MetricsPort } from './metrics/metrics-port.ts';
import { outcomeAsJson, Reloader } from './reload.ts';
import { type SendToServiceManager, ServiceManager } from './service-manager.ts';
import { packageVersion } from './version.ts';

/** What makes one daemon different from the others. `S` is its checked configuration. */
export interface DaemonSpec<S extends { readonly daemon: ServiceSettings }> {
  /** `ha`; the command line and the systemd unit call it so. */
  readonly role: string;
  readonly description: string;
  load(file: string): Loaded<S>;
  /**
   * What an operator does about a missing permission; default: what a daemon with a data plane
   * needs.
   */
  readonly permissions?: string;
  /** Whether there are control messages for `sojourn trace` to show; default true. */
  readonly hasMessages?: boolean;
  /** What the operator chose and should be reminded of at each start (`security: none`). */
  warnings(settings: S): readonly string[];
  /**
   * The public key by which others know this daemon, in the form that their configurations take;
   * made where there is none yet.
   */
  publicKey?(identity: Identity): string;
  /**
   * Touches the machine. Throws what the host throws; an `Error` with `code` EPERM or EACCES is
   * told as a missing permission.
   */
  start(settings: S, house: DaemonContext): RunningDaemon<S> | Promise<RunningDaemon<S>>;
  /**
   * Removes what a killed daemon with these settings left behind; harmless where nothing is left.
   * Never called while it runs.
   */
  cleanup(settings: S): void;
}

/** What a daemon gets from its mould. */
export interface DaemonContext {
  readonly log: Log;
  /** Engine events go here: to the log and to `sojourn events`. */
  readonly events: EventSink;
  readonly control: ControlServer;
  /** Counts control messages and shows them to `sojourn trace`; for `watched` of runtime/. */
  readonly messages: MessageWatch;
  /**
   * The daemon cannot go on: it is logged, the daemon stops as well as it can and exits with 70 (69
   * for a failure of the host).
   */
  fatal(error: unknown): void;
}

export interface RunningDaemon<S = never> {
  /** Says goodbye and undoes everything; gives the failures met on the way. Called once. */
  stop(): readonly unknown[] | Promise<readonly unknown[]>;
  /**
   * Milliseconds by which it is behind with what it had to do; one that is far behind is ended by
   * the service manager's watchdog.
   */
  overdueMs?(): number;
  /**
   * Takes other settings, which differ in keys that the schema calls reloadable. Throws when it
   * cannot, and goes on with what it had.
   */
  reconfigure?(settings: S): void | Promise<void>;
}

const STOP_TIMEOUT_MS = 5000;

interface Arguments {
  readonly config: string;
  readonly check?: true;
  readonly json?: true;
  readonly cleanup?: true;
  readonly showKey?: true;
  readonly logLevel?: LogLevel;
}

/**
 * Runs the daemon until it is told to stop; ends the process. `send` reaches a service manager that
 * wants to hear of it.
 */
export async function runDaemon<S extends { readonly daemon: ServiceSettings }>(
  send: SendToServiceManager,
  mould: DaemonSpec<S>,
): Promise<void> {
  // What runs once an hour must not be read anew by then.
  setFlagsFromString('--no-flush-bytecode');
  const given = parseArguments(mould);
  if (typeof given === 'number') return leave(given);
  // Both are about the daemon of the unit, where there is one.
  if (given.cleanup || given.showKey) useDirectoriesOfUnit(mould.role);
  if (given.showKey) return leave(showKey(mould, given.config));
  const loaded = mould.load(given.config);
  if (given.check) {
    return leave(
      reportCheck(
        given.config,
        loaded,
        (settings) => mould.warnings(settings),
        given.json === true,
      ),
    );
  }
  if (!loaded.ok) {
    writeFaults(loaded.faults);
    return leave(ExitCode.configuration);
  }
  const settings = loaded.value;
  const { name, logFormat, logLevel } = settings.daemon;
  const log = createLog({ name, level: given.logLevel ?? logLevel, format: logFormat });
  if (given.cleanup) return leave(await cleanUp(mould, settings, log));
  await new DaemonRun(mould, loaded, given, log, send).run();
}

/** The arguments, or the exit code where there is nothing more to do. */
function parseArguments(mould: {
  readonly role: string;
  readonly description: string;
  readonly publicKey?: unknown;
}): Arguments | ExitCode {
  const { role, description, publicKey } = mould;
  const command = daemonCommand({ role, description, hasPublicKey: publicKey !== undefined });
  try {
    return command.parse().opts<Arguments>();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
}

/**
 * Asks no more of the configuration than whose key it is: daemons that have to know each other's
 * keys would wait for one another.
 */
function showKey(
  { role, publicKey }: Pick<DaemonSpec<never>, 'role' | 'publicKey'>,
  file: string,
): ExitCode {
  const loaded = loadConfiguration(file, () => identitySchema(role));
  if (!loaded.ok) {
    writeFaults(loaded.faults);
    return ExitCode.configuration;
  }
  try {
    process.stdout.write(`${publicKey?.(loaded.value.daemon) ?? ''}\n`);
    return ExitCode.ok;
  } catch (thrown) {
    // Not the log: what is on standard output here is taken for the key.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const code = exitCodeOf(error);
    const remedy =
      code === ExitCode.permission ? ' (only root and the user of the daemon may look)' : '';
    process.stderr.write(`sojourn-${role}: ${error.message}${remedy}\n`);
    return code;
  }
}

async function cleanUp<S extends { readonly daemon: ServiceSettings }>(
  mould: DaemonSpec<S>,
  settings: S,
  log: Log,
): Promise<ExitCode> {
  try {
    // Never under a daemon that runs: its own state would be swept away.
    await removeStale(settings.daemon.controlSocket);
    mould.cleanup(settings);
    return ExitCode.ok;
  } catch (thrown) {
    return report(log, 'cleanup-failed', thrown, mould.permissions);
  }
}

type LoadedSettings<S> = Extract<Loaded<S>, { readonly ok: true }>;

/** One run of a daemon, from the first touch to the exit code. */
class DaemonRun<S extends { readonly daemon: ServiceSettings }> {
  readonly #spec: DaemonSpec<S>;
  readonly #given: Arguments;
  readonly #settings: S;
  readonly #document: ConfigurationDocument<S>;
  readonly #log: Log;
  readonly #manager: ServiceManager;
  #control: ControlServer | undefined;
  #metricsPort: MetricsPort | undefined;
  #running: RunningDaemon<S> | undefined;
  #reloader: Reloader<S> | undefined;
  #startup: Promise<void> | undefined;
  #ending = false;

  constructor(
    mould: DaemonSpec<S>,
    { value, document }: LoadedSettings<S>,
    given: Arguments,
    log: Log,
    send: SendToServiceManager,
  ) {
    this.#spec = mould;
    this.#given = given;
    this.#settings = value;
    this.#document = document;
    this.#log = log;
    this.#manager = new ServiceManager({
      environment: process.env,
      processId: process.pid,
      send,
      failed: (reason) => log.warn('service-manager-unreachable', { reason }),
    });
  }

  async run(): Promise<void> {
    this.#warn(this.#settings);
    process.on('uncaughtException', (error) => this.#fatal(error));
    process.on('unhandledRejection', (error) => this.#fatal(error));
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.on(signal, () => void this.#end(ExitCode.ok, signal));
    process.on('SIGHUP', () => void this.#reload());
    this.#startup = this.#start();
    try {
      await this.#startup;
    } catch (thrown) {
      await this.#end(this.#report('start-failed', thrown), 'failed start');
    }
  }

  async #start(): Promise<void> {
    const { controlSocket, controlGroup } = this.#settings.daemon;
    const history = new EventHistory();
    const control = await ControlServer.open({ path: controlSocket, group: controlGroup, history });
    this.#control = control;
    if (this.#ending) return;
    const messages = new MessageWatch();
    const metrics = await this.#serveMetrics(control, messages);
    if (this.#ending) return;
    const reporter = new StatusReporter(this.#manager, () => control.answer('status'));
    const events = fanOut(this.#log, history, reporter, metrics);
    const running = await this.#spec.start(this.#settings, {
      ...{ log: this.#log, events },
      control,
      messages,
      fatal: (error) => this.#fatal(error),
    });
    this.#running = running;
    if (this.#ending) return;
    this.#reloader = new Reloader(this.#document, {
      ...{ events, load: () => this.#spec.load(this.#given.config) },
      apply: (fresh) => this.#apply(running, fresh),
    });
    this.#log.info('started', { version: packageVersion(), controlSocket });
    await reporter.report();
    this.#manager.ready();
    this.#manager.watch({
      overdueMs: () => running.overdueMs?.() ?? 0,
      late: (overdueMs) =>
        this.#log.error('overdue', { overdueMs }, 'not done in time what was due'),
    });
  }

  async #serveMetrics(control: ControlServer, messages: MessageWatch): Promise<Metrics> {
    const metrics = new Metrics({
      role: this.#spec.role,
      messages,
      ask: (command) => control.answer(command),
    });
    if (this.#spec.hasMessages !== false) control.stream('trace', (give) => messages.follow(give));
    control.command(
      'reload',
      (_, respond) => void this.#reload().then(({ ok, value }) => respond(ok, value)),
    );
    control.command('metrics', (_, respond) => {
      metrics.text().then(
        (text) => respond(true, text),
        (thrown: unknown) => respond(false, { error: String(thrown) }),
      );
    });
    const place = this.#settings.daemon.metrics;
    if (place !== undefined) this.#metricsPort = await MetricsPort.open(place, metrics);
    return metrics;
  }

  /** Never rejects. */
  async #reload(): Promise<{ readonly ok: boolean; readonly value: JsonValue }> {
    await this.#startup?.catch(() => {});
    const reloader = this.#reloader;
    if (reloader === undefined || this.#ending)
      return { ok: false, value: { error: 'the daemon stops' } };
    this.#manager.reloading();
    try {
      const outcome = await reloader.reload();
      return { ok: outcome.ok, value: outcomeAsJson(outcome) };
    } catch (thrown) {
      this.#report('config-not-applied', thrown);
      return {
        ok: false,
        value: { error: thrown instanceof Error ? thrown.message : String(thrown) },
      };
    } finally {
      if (!this.#ending) this.#manager.ready();
    }
  }

  async #apply(running: RunningDaemon<S>, settings: S): Promise<void> {
    await running.reconfigure?.(settings);
    // What was given on the command line stands before what is in the file.
    this.#log.setLevel(this.#given.logLevel ?? settings.daemon.logLevel);
    this.#warn(settings);
  }

  #warn(settings: S): void {
    for (const caution of this.#spec.warnings(settings))
      this.#log.warn('config-warning', {}, caution);
  }

  #fatal(error: unknown): void {
    void this.#end(this.#report('internal-error', error), 'internal-error');
  }

  async #end(code: ExitCode, reason: string): Promise<void> {
    // A second signal, or a defect while stopping: no more patience.
    if (this.#ending) {
      leave(code === ExitCode.ok ? ExitCode.internal : code);
      return;
    }
    this.#ending = true;
    setTimeout(() => {
      this.#log.error('stop-timeout', { timeoutMs: STOP_TIMEOUT_MS });
      leave(ExitCode.internal);
    }, STOP_TIMEOUT_MS).unref();
    this.#log.info('stopping', { reason });
    this.#manager.stopping();
    // A signal in the middle of the start: what was half made is made, then undone.
    await this.#startup?.catch(() => {});
    const failures = (await this.#running?.stop()) ?? [];
    for (const failure of failures) this.#report('stop-failure', failure);
    this.#metricsPort?.close();
    this.#control?.close();
    this.#log.info('stopped', { exitCode: code });
    leave(code);
  }

  #report(event: EventName, thrown: unknown): ExitCode {
    return report(this.#log, event, thrown, this.#spec.permissions);
  }
}

/** Logs `thrown` and says which exit code it stands for. */
function report(
  log: Log,
  event: EventName,
  thrown: unknown,
  permissions = 'run as root, or with CAP_NET_ADMIN and CAP_NET_RAW',
): ExitCode {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const code = exitCodeOf(error);
  const stack = code === ExitCode.internal ? { stack: error.stack ?? '' } : {};
  const remedy = code === ExitCode.permission ? { remedy: permissions } : {};
  log.error(event, { error: error.message, ...stack, ...remedy }, error.message);
  return code;
}

function exitCodeOf(error: Error): ExitCode {
  if (error instanceof ControlSocketError) return ExitCode.unavailable;
  if (!('code' in error) || typeof error.code !== 'string') return ExitCode.internal;
  if (error.code === 'EPERM' || error.code === 'EACCES') return ExitCode.permission;
  // Node's own misuse errors are our defects; everything else with a code is the host's answer.
  return error.code.startsWith('ERR_') ? ExitCode.internal : ExitCode.unavailable;
}

function leave(code: ExitCode): void {
  process.exit(code);
}
