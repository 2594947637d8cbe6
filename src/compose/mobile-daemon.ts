/** Puts the engine of a mobile node or router, its driver and the host together. Nothing is decided here. */
import { join } from 'node:path';
import type { Engine } from '#engine/contract.ts';
import { createHomeAgent } from '#engine/home-agent/home-agent.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-node/configuration.ts';
import { createMobileNode, type MobileNodeInput } from '#engine/mobile-node/mobile-node.ts';
import type { Counters } from '#engine/shared/counters.ts';
import { createClock } from '#host/clock.ts';
import { guardTunnels, openPacketFilter } from '#host/packet-filter.ts';
import { openPlane } from '#host/plane.ts';
import { createResolver, hostAddresses } from '#host/resolver.ts';
import type { DaemonSettings } from '#ops/daemon-settings.ts';
import type { House, RunningDaemon } from '#ops/lifecycle.ts';
import { createDriver } from '#runtime/driver.ts';
import { rehearse } from '#runtime/rehearsal.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { openOwnKernel, type Role } from './own-kernel.ts';

const DNS_PORT = 53;

export interface MobileDaemon {
  readonly role: Role;
  readonly daemon: DaemonSettings;
  readonly node: MobileNodeConfiguration;
  /** Interfaces of mobile networks: what is asked from an address there goes into the tunnel, which waits for the answer. */
  readonly mobileNetworkDevices?: readonly string[];
  readonly engine: Engine<MobileNodeInput> & { readonly counters: Counters };
}

/** Starts it; what was opened until something failed is closed again. */
export async function startMobile(
  { role, daemon, node, engine, mobileNetworkDevices = [] }: MobileDaemon,
  house: House,
): Promise<RunningDaemon> {
  // Before anything is open that could be kept waiting.
  rehearse({ homeAgent: createHomeAgent, mobileNode: createMobileNode });
  await using made = new AsyncDisposableStack();
  const clock = createClock();
  const store = made.adopt(openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)), (it) => it.close());
  const plane = made.adopt(
    openPlane({
      device: daemon.device,
      side: 'mobile-node',
      deviceMtu: daemon.deviceMtu,
      udpPort: node.udpPort,
      threads: daemon.threads,
      mark: node.mark,
      raw: daemon.rawPath,
      linkDevices: [],
      holdMs: daemon.holdMs,
    }),
    (it) => it.close(),
  );
  const kernel = made.adopt(openOwnKernel(role, daemon, clock), (it) => it.close());
  const filter = daemon.rawPath
    ? await openPacketFilter({ table: daemon.device, addresses: [], onLost: (error) => house.fatal(error) })
    : undefined;
  made.defer(() => filter?.close());
  const servers = daemon.resolvers.map((address) => ({ address, port: DNS_PORT }));
  const driver = createDriver({
    engine,
    clock,
    plane: filter === undefined ? plane : guardTunnels(plane, filter),
    kernel,
    // Mobility Headers and tunnels of nodes behind us are data that we forward.
    localAddresses: (interfaces) => [
      ...node.homes.map(({ homeAddress }) => homeAddress),
      ...interfaces.flatMap((link) => link.addresses.map(({ address }) => address)),
    ],
    store,
    events: house.events,
    resolver: createResolver({
      sources: () => hostAddresses([daemon.device, ...mobileNetworkDevices]),
      ...(servers.length > 0 ? { servers } : {}),
    }),
    control: house.control,
    onFatal: (error) => house.fatal(error),
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return {
    async stop() {
      const failures = driver.stop();
      await filter?.close();
      return failures;
    },
    overdueMs: () => driver.overdueMs(),
  };
}

/** One sentence for each home that registers without authentication. */
export function openHomes({ homes }: MobileNodeConfiguration): readonly string[] {
  return homes
    .filter((home) => home.securityAssociation === undefined)
    .map((home) => `home "${home.name}" has security: none: registrations are not authenticated`);
}
