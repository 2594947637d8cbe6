/**
 * The home agent daemon: puts the engine, its driver and the host together. Nothing is decided
 * here.
 */
import { join } from 'node:path';
import { cleanUp, openOwnKernel } from '#composition/own-kernel.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from '#daemon/lifecycle.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { guardTunnels, openPacketFilter } from '#host/kernel/packet-filter.ts';
import { interfacesLosingRouterAdvertisements } from '#host/kernel/sysctl.ts';
import { openPlane } from '#host/plane/plane.ts';
import { createClock } from '#host/process/clock.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { randomBytes } from '#host/process/random.ts';
import { createDriver } from '#runtime/driver.ts';
import { warmUp } from '#runtime/warm-up.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type HomeAgentSettings, homeAgentSchema } from './config.ts';

const ROLE = 'home-agent';
const clock = createClock();

async function start(
  { daemon, homeAgent }: HomeAgentSettings,
  house: DaemonContext,
): Promise<RunningDaemon<HomeAgentSettings>> {
  // Before anything is open that could be kept waiting.
  warmUp({ homeAgent: createHomeAgent, mobileNode: createMobileNode });
  await using made = new AsyncDisposableStack();
  const store = made.adopt(
    openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)),
    (it) => it.close(),
  );
  const plane = made.adopt(
    openPlane({
      device: daemon.device,
      side: 'home-agent',
      deviceMtu: daemon.deviceMtu,
      udpPort: homeAgent.ipv4Addresses.length > 0 ? homeAgent.udpPort : 0,
      threads: daemon.threads,
      mark: 0,
      raw: daemon.rawPath,
      linkDevices: homeAgent.homeLink === undefined ? [] : [homeAgent.homeLink],
      holdMs: daemon.earlyDataHoldMs,
    }),
    (it) => it.close(),
  );
  const addresses = [...homeAgent.addresses, ...homeAgent.ipv4Addresses];
  // Mobility Headers to others (HoTI to a correspondent, say) are data that the home agent
  // forwards.
  plane.setLocalAddresses(addresses);
  const kernel = made.adopt(openOwnKernel(ROLE, daemon, clock), (it) => it.close());
  // What a killed run turned on says nothing of the host.
  kernel.sweep();
  // On the home link the host is the router, and would hear itself.
  const others = [daemon.device, homeAgent.homeLink];
  const found = {
    acceptRaInterfaces: interfacesLosingRouterAdvertisements().filter(
      (name) => !others.includes(name),
    ),
  };
  const filter = daemon.rawPath
    ? await openPacketFilter({
        table: daemon.device,
        addresses,
        onLost: (error) => house.fatal(error),
      })
    : undefined;
  made.defer(() => filter?.close());
  const engine = createHomeAgent({ ...homeAgent, ...found }, randomBytes);
  const driver = createDriver({
    engine: withMessageWatch(engine, house.messages),
    clock,
    plane: filter === undefined ? plane : guardTunnels(plane, filter),
    kernel,
    store,
    events: house.events,
    control: house.control,
    onFatal: (error) => house.fatal(error),
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return {
    reconfigure: (fresh) =>
      driver.reconfigure((now, out) =>
        engine.reconfigure(now, { ...fresh.homeAgent, ...found }, out),
      ),
    async stop() {
      const failures = driver.stop();
      await filter?.close();
      return failures;
    },
    overdueMs: () => driver.overdueMs(),
  };
}

await runDaemon<HomeAgentSettings>(sendToNotifySocket, {
  role: 'ha',
  description: 'Home agent of Sojourn (RFC 6275, RFC 5555, RFC 3963).',
  load: (file) => loadConfiguration(file, homeAgentSchema),
  warnings: ({ homeAgent }) =>
    homeAgent.insecure ? ['security: none: anybody may register any of the home addresses'] : [],
  start,
  cleanup: ({ daemon }) => cleanUp(ROLE, daemon),
});
