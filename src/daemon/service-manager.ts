/**
 * Notifies systemd (sd_notify(3)) of readiness, reload, stop, one line of status for `systemctl
 * status`, and liveness for the watchdog. Does nothing without a notify socket.
 */

/** Sends one datagram to a service manager's socket. Throws if the socket does not exist. */
export type SendToServiceManager = (socket: string, text: string) => void;

interface ServiceManagerOptions {
  /**
   * NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are removed from it, so that child processes do
   * not inherit them.
   */
  readonly environment: NodeJS.ProcessEnv;
  readonly processId: number;
  readonly send: SendToServiceManager;
  /** Called with the reason of a failed notification, once until a notification succeeds. */
  readonly failed: (reason: string) => void;
}

interface WatchdogSubject {
  /** Milliseconds since the daemon's earliest deadline that it has missed; 0 if there is none. */
  overdueMs(): number;
  /** Called instead of a keepalive if the daemon is so late that the watchdog should end it. */
  late(overdueMs: number): void;
}

export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #watchdogMs: number | undefined;
  readonly #options: ServiceManagerOptions;
  #status = '';
  #failing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ServiceManagerOptions) {
    const { environment, processId } = options;
    this.#options = options;
    this.#socket = environment['NOTIFY_SOCKET'];
    this.#watchdogMs = watchdogMs(environment, processId);
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  }

  /** Whether there is a service manager. */
  get listens(): boolean {
    return this.#socket !== undefined;
  }

  ready(): void {
    this.#notify('READY=1');
  }

  /** A reload begins; `ready` ends it. */
  reloading(): void {
    // The time shows the service manager that the reload began after its signal
    // (Type=notify-reload).
    this.#notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    this.#notify('STOPPING=1');
  }

  /** Sends one line of status if it differs from the last one. */
  status(line: string): void {
    if (line === this.#status) return;
    this.#status = line;
    this.#notify(`STATUS=${line.replaceAll('\n', ' ')}`);
  }

  /**
   * Sends a keepalive twice in each watchdog interval while the event loop runs and the daemon
   * meets its deadlines.
   */
  watch({ overdueMs, late }: WatchdogSubject): void {
    const intervalMs = this.#watchdogMs;
    if (intervalMs === undefined || this.#timer !== undefined) return;
    const beat = (): void => {
      const missedByMs = overdueMs();
      if (missedByMs < intervalMs / 2) this.#notify('WATCHDOG=1');
      else late(missedByMs);
    };
    beat();
    this.#timer = setInterval(beat, intervalMs / 2).unref();
  }

  #notify(variable: string): void {
    if (this.#socket === undefined) return;
    try {
      this.#options.send(this.#socket, variable);
      this.#failing = false;
    } catch (thrown) {
      if (!this.#failing)
        this.#options.failed(thrown instanceof Error ? thrown.message : String(thrown));
      this.#failing = true;
    }
  }
}

/** The watchdog's interval; undefined without a watchdog, or if it watches another process. */
function watchdogMs(environment: NodeJS.ProcessEnv, processId: number): number | undefined {
  const { WATCHDOG_USEC: interval, WATCHDOG_PID: watched } = environment;
  const microseconds = Number(interval);
  if (interval === undefined || !Number.isFinite(microseconds) || microseconds <= 0)
    return undefined;
  return watched === undefined || Number(watched) === processId ? microseconds / 1000 : undefined;
}
