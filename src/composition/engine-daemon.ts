/** An engine, its driver and the ports of the host, as the packet and control daemons run them. */
import { join } from 'node:path';
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { ServiceSettings } from '#daemon/daemon-settings.ts';
import type { DaemonContext, RunningDaemon } from '#daemon/daemon-spec.ts';
import { runDirectory } from '#daemon/directories.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import { createResolver } from '#host/dns/resolver.ts';
import { createClock } from '#host/process/clock.ts';
import { createDriver, type DriverInput, type DriverOptions } from '#runtime/driver.ts';
import type { ClockPort, KernelPort, PlanePort, ResolverPort, StorePort } from '#runtime/ports.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { openLastingStore } from '#store/lasting-store.ts';
import type { EngineWithCounters } from './joined-engines.ts';

const DNS_PORT = 53;
/** A machine that slept is noticed within this time after it woke, even if nothing else happens. */
const CLOCK_CHECK_MS = 5_000;

/** Ports of the driver that only some daemons have. */
export type OptionalPorts = Pick<
  DriverOptions,
  | 'resolver'
  | 'login'
  | 'names'
  | 'addressMaps'
  | 'killSwitch'
  | 'innerAddresses'
  | 'internetAccess'
  | 'nodeGroups'
  | 'hostResolver'
  | 'localAddresses'
  | 'network'
  | 'traffic'
  | 'espSequences'
  | 'trafficIntervalMs'
>;

/** An engine as a daemon made it from its configuration. */
export interface EngineSetup<S> {
  readonly engine: EngineWithCounters<DriverInput>;
  /** What protects the engine's packets on the network: outside of what `sojourn trace` shows. */
  readonly protection?: { around(engine: Engine<DriverInput>): Engine<DriverInput> } | undefined;
  readonly ports?: OptionalPorts;
  /** Gives the engine settings that differ in reloadable keys only. */
  reconfigure(now: Monotonic, settings: S, out: Output[]): void;
  /** Runs once, when the driver serves. */
  started?(): Promise<void>;
}

/** Services that a daemon may use while it creates its engine. */
export interface EngineHost {
  readonly clock: ClockPort;
  readonly context: DaemonContext;
  /** Closed before the driver stops: servers whose answers need the engine. */
  readonly servers: AsyncDisposableStack;
  /** Closed after the driver has stopped. */
  readonly resources: AsyncDisposableStack;
}

/** The ports that the driver owns once it has started. */
interface DriverPorts {
  readonly plane: PlanePort;
  readonly kernel: KernelPort;
}

export interface EngineDaemonParts<S> {
  readonly daemon: ServiceSettings;
  /** Opens plane and kernel; closes them with `opened` if the start fails. */
  openPorts(host: EngineHost, opened: AsyncDisposableStack): DriverPorts | Promise<DriverPorts>;
  makeEngine(host: EngineHost): EngineSetup<S> | Promise<EngineSetup<S>>;
}

/** Starts the driver. A failed start closes everything that was opened. */
export async function startEngineDaemon<S>(
  { daemon, openPorts, makeEngine }: EngineDaemonParts<S>,
  context: DaemonContext,
): Promise<RunningDaemon<S>> {
  await using opened = new AsyncDisposableStack();
  const resources = opened.use(new AsyncDisposableStack());
  const store = openStore(daemon, opened);
  const servers = new AsyncDisposableStack();
  const host: EngineHost = { clock: createClock(), context, servers, resources };
  const { plane, kernel } = await openPorts(host, opened);
  opened.use(servers);
  const setup = await makeEngine(host);
  const watched = withMessageWatch(setup.engine, context.messages);
  const driver = createDriver({
    ...setup.ports,
    engine: setup.protection?.around(watched) ?? watched,
    clock: host.clock,
    ...{ plane, kernel, store },
    events: context.events,
    control: context.control,
    onFatal: (error) => context.fatal(error),
  });
  driver.start();
  await setup.started?.();
  const clockWatch = setInterval(() => driver.checkClock(), CLOCK_CHECK_MS).unref();
  // From here on the driver closes store, plane and kernel.
  opened.move();
  return {
    reconfigure: (settings) =>
      driver.reconfigure((now, out) => setup.reconfigure(now, settings, out)),
    async stop() {
      clearInterval(clockWatch);
      await servers.disposeAsync();
      const failures = driver.stop();
      await resources.disposeAsync();
      return failures;
    },
    overdueMs: () => driver.overdueMs(),
  };
}

function openStore(
  { stateDirectory, name }: Pick<ServiceSettings, 'stateDirectory' | 'name'>,
  opened: AsyncDisposableStack,
): StorePort {
  const store = openLastingStore(join(stateDirectory, `${name}.sqlite`), runDirectory());
  return opened.adopt(store, (it) => it.close());
}

/** Asks the servers of the configuration, or those of /etc/resolv.conf if it names none. */
export function configuredResolver(
  { resolvers }: { readonly resolvers: readonly IpAddress[] },
  sources?: () => readonly IpAddress[],
): ResolverPort {
  const servers = resolvers.map((address) => ({ address, port: DNS_PORT }));
  return createResolver({
    ...(sources === undefined ? {} : { sources }),
    ...(servers.length > 0 ? { servers } : {}),
  });
}
