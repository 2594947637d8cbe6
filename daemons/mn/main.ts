/** The mobile node daemon: puts the engine, its driver and the host together. Nothing is decided here. */
import { join } from 'node:path';
import { createHomeAgent } from '#engine/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-node/mobile-node.ts';
import { createClock } from '#host/clock.ts';
import { openKernel, ROUTING_PROTOCOL } from '#host/kernel.ts';
import { openNetlink } from '#host/netlink.ts';
import { guardTunnels, openPacketFilter, removePacketFilter } from '#host/packet-filter.ts';
import { openPlane } from '#host/plane.ts';
import { randomBytes } from '#host/random.ts';
import { createResolver, hostAddresses } from '#host/resolver.ts';
import { loadConfiguration } from '#ops/config.ts';
import { type DaemonSettings, RUN_DIRECTORY } from '#ops/daemon-settings.ts';
import { type House, type RunningDaemon, runDaemon } from '#ops/lifecycle.ts';
import { createDriver } from '#runtime/driver.ts';
import type { KernelPort } from '#runtime/ports.ts';
import { rehearse } from '#runtime/rehearsal.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type MobileNodeSettings, mobileNodeSchema } from './config.ts';

const DNS_PORT = 53;
const clock = createClock();

function openOwnKernel({ name, device }: DaemonSettings): KernelPort {
  return openKernel({
    netlink: openNetlink(),
    clock,
    protocol: ROUTING_PROTOCOL['mobile-node'],
    device,
    sysctlFile: join(RUN_DIRECTORY, `${name}-sysctl.json`),
  });
}

async function start({ daemon, mobileNode }: MobileNodeSettings, house: House): Promise<RunningDaemon> {
  // Before anything is open that could be kept waiting.
  rehearse({ homeAgent: createHomeAgent, mobileNode: createMobileNode });
  await using made = new AsyncDisposableStack();
  const store = made.adopt(openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)), (it) => it.close());
  const plane = made.adopt(
    openPlane({
      device: daemon.device,
      side: 'mobile-node',
      deviceMtu: daemon.deviceMtu,
      udpPort: mobileNode.udpPort,
      threads: daemon.threads,
      mark: mobileNode.mark,
      raw: daemon.rawPath,
      linkDevices: [],
      holdMs: daemon.holdMs,
    }),
    (it) => it.close(),
  );
  const kernel = made.adopt(openOwnKernel(daemon), (it) => it.close());
  const filter = daemon.rawPath
    ? await openPacketFilter({
        table: daemon.device,
        addresses: [],
        onLost: (error) => house.fatal(error),
      })
    : undefined;
  made.defer(() => filter?.close());
  const servers = daemon.resolvers.map((address) => ({ address, port: DNS_PORT }));
  const driver = createDriver({
    engine: createMobileNode(mobileNode, randomBytes),
    clock,
    plane: filter === undefined ? plane : guardTunnels(plane, filter),
    kernel,
    store,
    events: house.events,
    resolver: createResolver({
      sources: () => hostAddresses(daemon.device),
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
  };
}

await runDaemon<MobileNodeSettings>({
  role: 'mn',
  description: 'Mobile node of Sojourn (RFC 6275, RFC 5555).',
  load: (file) => loadConfiguration(file, mobileNodeSchema),
  cautions: ({ mobileNode }) =>
    mobileNode.homes
      .filter((home) => home.securityAssociation === undefined)
      .map((home) => `home "${home.name}" has security: none: registrations are not authenticated`),
  start,
  cleanup({ daemon }) {
    const kernel = openOwnKernel(daemon);
    try {
      kernel.sweep();
    } finally {
      kernel.close();
    }
    removePacketFilter(daemon.device);
  },
});
