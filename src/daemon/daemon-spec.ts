/** The interfaces between a daemon and the common life cycle. */
import type { EventSink } from '#runtime/ports.ts';
import type { Loaded } from './configuration/config.ts';
import type { Change } from './configuration/config-difference.ts';
import type { ControlServer } from './control/control-socket.ts';
import type { Identity, ServiceSettings } from './daemon-settings.ts';
import type { Log } from './log.ts';
import type { MessageWatch } from './messages/message-watch.ts';

/** The properties of one daemon. `S` is its checked configuration. */
export interface DaemonSpec<S extends { readonly daemon: ServiceSettings }> {
  /** `ha`, as in `sojourn-ha` and the systemd unit. */
  readonly role: string;
  readonly description: string;
  load(file: string): Loaded<S>;
  /**
   * The remedy for a missing permission; default: the capabilities that a data plane needs.
   */
  readonly permissions?: string;
  /** Whether `sojourn trace` has control messages to show; default true. */
  readonly hasMessages?: boolean;
  /** Choices of the operator that each start logs as a warning (`security: none`). */
  warnings(settings: S): readonly string[];
  /**
   * The public key in the form that the configurations of other daemons take; made if there is
   * none.
   */
  publicKey?(identity: Identity): string;
  /**
   * Opens the daemon's resources. Throws the host's errors; an `Error` with `code` EPERM or EACCES
   * is reported as a missing permission.
   */
  start(settings: S, context: DaemonContext): RunningDaemon<S> | Promise<RunningDaemon<S>>;
  /**
   * Removes the host state that a killed daemon with these settings left, if any. Never called
   * while it runs.
   */
  cleanup(settings: S): void;
}

/** The services that the life cycle provides to a daemon. */
export interface DaemonContext {
  readonly log: Log;
  /** Sends engine events to the log and to `sojourn events`. */
  readonly events: EventSink;
  readonly control: ControlServer;
  /** Counts control messages for metrics and shows them to `sojourn trace`. */
  readonly messages: MessageWatch;
  /**
   * Reports an error that the daemon cannot survive: it is logged, the daemon stops as far as
   * possible and exits with 70 (69 for a failure of the host).
   */
  fatal(error: unknown): void;
}

export interface RunningDaemon<S = never> {
  /** Deregisters and undoes everything; returns the failures. Called once. */
  stop(): readonly unknown[] | Promise<readonly unknown[]>;
  /**
   * Milliseconds since the earliest missed deadline, 0 if there is none. The service manager's
   * watchdog restarts a daemon that is far too late.
   */
  overdueMs?(): number;
  /**
   * Takes settings that differ in reloadable keys only. Throws if it cannot, and keeps the previous
   * ones.
   */
  reconfigure?(settings: S): void | Promise<void>;
  /** Reloadable keys that need, with these settings, what the daemon opens only when it starts. */
  needsRestart?(settings: S): readonly Change[];
}
