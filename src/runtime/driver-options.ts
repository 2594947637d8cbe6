/** The dependencies of a driver, and the interface by which its owner controls it. */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type {
  CommonInput,
  NetworkInput,
  ResolvedInput,
  TrafficInput,
  UnknownEndpointInput,
} from '#engine/contract/input.ts';
import type { LoginInput, QueryInput, RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { ExternalRequestPorts } from './external-requests.ts';
import type {
  AddressMapPort,
  ClockPort,
  ControlPort,
  EventSink,
  HostResolverPort,
  InnerAddressPort,
  InternetAccessPort,
  KernelPort,
  KillSwitchPort,
  NodeGroupsPort,
  PlanePort,
  StorePort,
} from './ports.ts';

/**
 * Every input that a driver can give. An engine that does not use some of them gets none: its
 * options have `network: false`, and no port for the others.
 */
export type DriverInput =
  | CommonInput
  | NetworkInput
  | ResolvedInput
  | TrafficInput
  | UnknownEndpointInput
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
  readonly killSwitch?: KillSwitchPort;
  readonly innerAddresses?: InnerAddressPort;
  readonly internetAccess?: InternetAccessPort;
  readonly nodeGroups?: NodeGroupsPort;
  readonly hostResolver?: HostResolverPort;
  readonly control?: ControlPort;
  /**
   * Addresses of this host that may receive Mobility Headers; the driver passes them to the plane
   * when the network changes. Default: all.
   */
  readonly localAddresses?: (interfaces: readonly NetworkInterface[]) => readonly IpAddress[];
  /** Give network snapshots to the engine; default true. */
  readonly network?: boolean;
  /** Tell the engine what tunnels carry; default false. */
  readonly traffic?: boolean;
  /** How often, while there is traffic; default 250 ms. */
  readonly trafficIntervalMs?: number;
  /** Tell the engine the sequence numbers of ESP while tunnels carry packets; default false. */
  readonly espSequences?: boolean;
  /**
   * Called once for a bug of this program; the driver does not step the engine again. The caller
   * logs the error and ends the process.
   */
  readonly onFatal: (error: unknown) => void;
  /** Default `queueMicrotask`: all punts of one native callback become one turn. */
  readonly schedule?: (turn: () => void) => void;
}

export interface Driver {
  /**
   * Passes the stored records to the engine, removes leftovers of an earlier run from the kernel,
   * and starts to take inputs. Throws the ports' errors if the host refuses.
   */
  start(): void;
  /** Stops the engine and removes the desired state, in reverse order; idempotent. */
  stop(): readonly unknown[];
  /** Runs `change`, which passes a new configuration to the engine, as a separate turn. */
  reconfigure(change: (now: Monotonic, out: Output[]) => void): void;
  /**
   * Looks at the wall clock, which goes on while the machine sleeps; timers and the monotonic clock
   * do not.
   */
  checkClock(): void;
  /** Milliseconds since a wake-up that the event loop has not served yet; 0 while it keeps up. */
  overdueMs(): number;
}
