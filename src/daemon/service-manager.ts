/**
 * Tells systemd how the daemon is (sd_notify(3)): started, stopping, one line of status for
 * `systemctl status`, and that it is alive. Does nothing where no service manager asked for it.
 */

/** Sends one datagram to a service manager's socket. Throws where nobody listens there. */
export type SendToServiceManager = (socket: string, text: string) => void;

export interface ServiceManagerOptions {
  /**
   * NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are taken out of it: they are not for our
   * children.
   */
  readonly environment: NodeJS.ProcessEnv;
  readonly processId: number;
  readonly send: SendToServiceManager;
  /** Hears why it could not be told; once, until it could be again. */
  readonly failed: (reason: string) => void;
}

export interface WatchdogSubject {
  /** Milliseconds by which the daemon is behind with what it had to do. */
  overdueMs(): number;
  /** It is so far behind that the service manager is not told that it is alive, and will end it. */
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

  /** Whether somebody wants to know. */
  get listens(): boolean {
    return this.#socket !== undefined;
  }

  ready(): void {
    this.#tell('READY=1');
  }

  /** Its configuration is read anew; `ready` says when that is over. */
  reloading(): void {
    // By this time it knows that the reload came after its signal, and not before
    // (Type=notify-reload).
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  /** One line; the same again is not sent again. */
  status(line: string): void {
    if (line === this.#status) return;
    this.#status = line;
    this.#tell(`STATUS=${line.replaceAll('\n', ' ')}`);
  }

  /**
   * Says from now on, twice in each interval of the watchdog, that the event loop turns and the
   * daemon keeps up.
   */
  watch({ overdueMs, late }: WatchdogSubject): void {
    const intervalMs = this.#watchdogMs;
    if (intervalMs === undefined || this.#timer !== undefined) return;
    const beat = (): void => {
      const behind = overdueMs();
      if (behind < intervalMs / 2) this.#tell('WATCHDOG=1');
      else late(behind);
    };
    beat();
    this.#timer = setInterval(beat, intervalMs / 2).unref();
  }

  #tell(variable: string): void {
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

/** The watchdog's interval; undefined where there is none, or it is another process's. */
function watchdogMs(environment: NodeJS.ProcessEnv, processId: number): number | undefined {
  const { WATCHDOG_USEC: interval, WATCHDOG_PID: whose } = environment;
  const microseconds = Number(interval);
  if (interval === undefined || !Number.isFinite(microseconds) || microseconds <= 0)
    return undefined;
  return whose === undefined || Number(whose) === processId ? microseconds / 1000 : undefined;
}
