/** What a daemon brings to the common life cycle, and what it gets from it. */
import type { EventSink } from '#runtime/ports.ts';
import type { Loaded } from './configuration/config.ts';
import type { ControlServer } from './control/control-socket.ts';
import type { Identity, ServiceSettings } from './daemon-settings.ts';
import type { Log } from './log.ts';
import type { MessageWatch } from './messages/message-watch.ts';

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
  start(settings: S, context: DaemonContext): RunningDaemon<S> | Promise<RunningDaemon<S>>;
  /**
   * Removes what a killed daemon with these settings left behind; harmless where nothing is left.
   * Never called while it runs.
   */
  cleanup(settings: S): void;
}

/** What a daemon gets from its spec. */
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
