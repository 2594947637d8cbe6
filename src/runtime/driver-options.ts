/** What a driver is given, and what it can be told. */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, ResolvedInput } from '#engine/contract/input.ts';
import type { LoginInput, QueryInput, RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { ExternalRequestPorts } from './external-requests.ts';
import type {
  AddressMapPort,
  ClockPort,
  ControlPort,
  EventSink,
  KernelPort,
  PlanePort,
  StorePort,
} from './ports.ts';

/**
 * What the driver may give to an engine; an engine that has no use for the others says so with
 * `network: false` and no port for them.
 */
export type DriverInput =
  | CommonInput
  | NetworkInput
  | ResolvedInput
  | RoamingInput
  | LoginInput
  | QueryInput;

export interface DriverOptions extends ExternalRequestPorts {
  readonly engine: Engine<DriverInput>;
  readonly clock: ClockPort;
  readonly plane: PlanePort;
  readonly kernel: KernelPort;
  readonly store: StorePort;
  readonly events: EventSink;
  readonly addressMaps?: AddressMapPort;
  readonly control?: ControlPort;
  /**
   * Addresses of this host that Mobility Headers may be for, told to the plane whenever the network
   * changed; default: any.
   */
  readonly localAddresses?: (interfaces: readonly NetworkInterface[]) => readonly IpAddress[];
  /** Give network snapshots to the engine; default true. */
  readonly network?: boolean;
  /**
   * Our own defect: called once, after which nothing is stepped any more. The caller logs and ends
   * the process.
   */
  readonly onFatal: (error: unknown) => void;
  /**
   * Runs a turn after the punts of one native callback; default a microtask, so that a batch of
   * punts is one turn.
   */
  readonly schedule?: (turn: () => void) => void;
}

export interface Driver {
  /**
   * Restores, sweeps, and takes up work. Throws what the ports throw when the host does not let us
   * start.
   */
  start(): void;
  /**
   * Says goodbye and undoes everything in reverse order; idempotent. Answers the failures met on
   * the way.
   */
  stop(): readonly unknown[];
  /** Tells the engine what the operator decides by now. */
  reconfigure(tell: (now: Monotonic, out: Output[]) => void): void;
  /** Milliseconds by which it missed its wake-up; 0 while it keeps up. */
  overdueMs(): number;
}
