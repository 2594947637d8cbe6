/** One run of a daemon: start, reload, signals, stop, exit code. */
import type { JsonValue } from '#base/json.ts';
import type { EventName } from '#engine/common/event-table.ts';
import { StatusReporter } from './answers/status-line.ts';
import type { ConfigurationDocument, Loaded } from './configuration/config.ts';
import { ControlServer } from './control/control-socket.ts';
import { EventHistory, fanOut } from './control/event-history.ts';
import type { LogLevel, ServiceSettings } from './daemon-settings.ts';
import type { DaemonSpec, RunningDaemon } from './daemon-spec.ts';
import { ExitCode } from './exit-codes.ts';
import { reportFailure } from './failure-report.ts';
import type { Log } from './log.ts';
import { MessageWatch } from './messages/message-watch.ts';
import { Metrics } from './metrics/metrics.ts';
import { MetricsPort } from './metrics/metrics-port.ts';
import { outcomeAsJson, Reloader } from './reload.ts';
import { type SendToServiceManager, ServiceManager } from './service-manager.ts';
import { packageVersion } from './version.ts';

const STOP_TIMEOUT_MS = 5000;

export interface DaemonOptions {
  readonly config: string;
  readonly check?: true;
  readonly json?: true;
  readonly cleanup?: true;
  readonly showKey?: true;
  readonly logLevel?: LogLevel;
}

type LoadedSettings<S> = Extract<Loaded<S>, { readonly ok: true }>;

/** One run of a daemon, from its start to the exit code. */
export class DaemonRun<S extends { readonly daemon: ServiceSettings }> {
  readonly #spec: DaemonSpec<S>;
  readonly #options: DaemonOptions;
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
    spec: DaemonSpec<S>,
    { value, document }: LoadedSettings<S>,
    options: DaemonOptions,
    log: Log,
    send: SendToServiceManager,
  ) {
    this.#spec = spec;
    this.#options = options;
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
      ...{ events, load: () => this.#spec.load(this.#options.config) },
      apply: (fresh) => this.#apply(running, fresh),
      needsRestart: (fresh) => running.needsRestart?.(fresh) ?? [],
    });
    this.#log.info('started', { version: packageVersion(), controlSocket });
    await reporter.report();
    this.#manager.ready();
    this.#manager.watch({
      overdueMs: () => running.overdueMs?.() ?? 0,
      late: (overdueMs) =>
        this.#log.error('overdue', { overdueMs }, 'missed a deadline; the watchdog may restart it'),
    });
  }

  async #serveMetrics(control: ControlServer, messages: MessageWatch): Promise<Metrics> {
    const metrics = new Metrics({
      role: this.#spec.role,
      messages,
      ask: (command) => control.answer(command),
      turnedAway: () => {
        const port = this.#metricsPort;
        const { turnedAway: atSocket } = control;
        return { control: atSocket, ...(port === undefined ? {} : { metrics: port.turnedAway }) };
      },
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
    const endpoint = this.#settings.daemon.metrics;
    if (endpoint !== undefined) this.#metricsPort = await MetricsPort.open(endpoint, metrics);
    return metrics;
  }

  /** Never rejects. */
  async #reload(): Promise<{ readonly ok: boolean; readonly value: JsonValue }> {
    await this.#startup?.catch(() => {});
    const reloader = this.#reloader;
    if (reloader === undefined || this.#ending)
      return { ok: false, value: { error: 'the daemon is stopping' } };
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
    // The command line takes precedence over the file.
    this.#log.setLevel(this.#options.logLevel ?? settings.daemon.logLevel);
    this.#warn(settings);
  }

  #warn(settings: S): void {
    for (const warning of this.#spec.warnings(settings))
      this.#log.warn('config-warning', {}, warning);
  }

  #fatal(error: unknown): void {
    void this.#end(this.#report('internal-error', error), 'internal-error');
  }

  async #end(code: ExitCode, reason: string): Promise<void> {
    // A second signal or an internal error while stopping ends the process at once.
    if (this.#ending) {
      leaveProcess(code === ExitCode.ok ? ExitCode.internal : code);
      return;
    }
    this.#ending = true;
    setTimeout(() => {
      this.#log.error('stop-timeout', { timeoutMs: STOP_TIMEOUT_MS });
      leaveProcess(ExitCode.internal);
    }, STOP_TIMEOUT_MS).unref();
    this.#log.info('stopping', { reason });
    this.#manager.stopping();
    // A signal during the start: the start completes first, so that all of it can be undone.
    await this.#startup?.catch(() => {});
    const failures = (await this.#running?.stop()) ?? [];
    for (const failure of failures) this.#report('stop-failure', failure);
    this.#metricsPort?.close();
    this.#control?.close();
    this.#log.info('stopped', { exitCode: code });
    leaveProcess(code);
  }

  #report(event: EventName, thrown: unknown): ExitCode {
    return reportFailure(this.#log, event, thrown, this.#spec.permissions);
  }
}

export function leaveProcess(code: ExitCode): void {
  process.exit(code);
}
