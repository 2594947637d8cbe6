/** The home agent daemon: puts the engine, its driver and the host together. Nothing is decided here. */
import { join } from 'node:path';
import { createHomeAgent } from '#engine/home-agent/home-agent.ts';
import { createClock } from '#host/clock.ts';
import { openKernel } from '#host/kernel.ts';
import { openPlane } from '#host/plane.ts';
import { randomBytes } from '#host/random.ts';
import { loadConfiguration } from '#ops/config.ts';
import { type House, type RunningDaemon, runDaemon } from '#ops/lifecycle.ts';
import { createDriver } from '#runtime/driver.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type HomeAgentSettings, homeAgentSchema } from './config.ts';

function start({ daemon, homeAgent }: HomeAgentSettings, house: House): RunningDaemon {
  using made = new DisposableStack();
  const store = made.adopt(openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)), (it) => it.close());
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
      holdMs: daemon.holdMs,
    }),
    (it) => it.close(),
  );
  const kernel = made.adopt(openKernel({ role: 'ha', device: daemon.device }), (it) => it.close());
  const driver = createDriver({
    engine: createHomeAgent(homeAgent, randomBytes),
    clock: createClock(),
    plane,
    kernel,
    store,
    events: house.events,
    control: house.control,
    onFatal: (error) => house.fatal(error),
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return driver;
}

await runDaemon<HomeAgentSettings>({
  role: 'ha',
  description: 'Home agent of Sojourn (RFC 6275, RFC 5555, RFC 3963).',
  load: (file) => loadConfiguration(file, homeAgentSchema),
  cautions: ({ homeAgent }) =>
    homeAgent.insecure ? ['security: none: anybody may register any of the home addresses'] : [],
  start,
  cleanup({ daemon }) {
    const kernel = openKernel({ role: 'ha', device: daemon.device });
    try {
      kernel.sweep();
    } finally {
      kernel.close();
    }
  },
});
