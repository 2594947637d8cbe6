/** The mobile node daemon: puts the engine, its driver and the host together. Nothing is decided here. */
import { join } from 'node:path';
import { createMobileNode } from '#engine/mobile-node/mobile-node.ts';
import { createClock } from '#host/clock.ts';
import { openKernel } from '#host/kernel.ts';
import { openPlane } from '#host/plane.ts';
import { randomBytes } from '#host/random.ts';
import { createResolver } from '#host/resolver.ts';
import { loadConfiguration } from '#ops/config.ts';
import { type House, type RunningDaemon, runDaemon } from '#ops/lifecycle.ts';
import { createDriver } from '#runtime/driver.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type MobileNodeSettings, mobileNodeSchema } from './config.ts';

function start({ daemon, mobileNode }: MobileNodeSettings, house: House): RunningDaemon {
  using made = new DisposableStack();
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
  const kernel = made.adopt(openKernel({ role: 'mn', device: daemon.device }), (it) => it.close());
  const driver = createDriver({
    engine: createMobileNode(mobileNode, randomBytes),
    clock: createClock(),
    plane,
    kernel,
    store,
    events: house.events,
    resolver: createResolver({ servers: daemon.resolvers }),
    control: house.control,
    onFatal: (error) => house.fatal(error),
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return driver;
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
    const kernel = openKernel({ role: 'mn', device: daemon.device });
    try {
      kernel.sweep();
    } finally {
      kernel.close();
    }
  },
});
