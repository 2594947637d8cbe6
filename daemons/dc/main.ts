/** The direction coordinator daemon: puts the engine, its sockets, its store and the name server together. Nothing is decided here. */
import { join } from 'node:path';
import { hex } from '#base/bytes.ts';
import { NO_KERNEL, planeWithoutTunnels } from '#compose/control-only.ts';
import { secretOf } from '#compose/secret-file.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import { createDirectionCoordinator } from '#engine/direction-coordinator/direction-coordinator.ts';
import { judgeBy } from '#engine/shared/ntmobile/credential-judge.ts';
import { createClock } from '#host/clock.ts';
import { DatagramSockets } from '#host/datagram-sockets.ts';
import { NameServer } from '#host/name-server.ts';
import { sendToNotifySocket } from '#host/notify-socket.ts';
import { randomBytes } from '#host/random.ts';
import { loadConfiguration } from '#ops/config.ts';
import type { ServiceSettings } from '#ops/daemon-settings.ts';
import { type House, type RunningDaemon, runDaemon } from '#ops/lifecycle.ts';
import { createDriver } from '#runtime/driver.ts';
import { watched } from '#runtime/watched-engine.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type DirectionCoordinatorSettings, directionCoordinatorSchema } from './config.ts';

/** Made at the first start, or when somebody asks for it. */
function ownKey({ stateDirectory, name }: ServiceSettings): KeyPair {
  return keyPairOf(secretOf(join(stateDirectory, `${name}.key`)));
}

async function start(settings: DirectionCoordinatorSettings, house: House): Promise<RunningDaemon> {
  const { daemon, coordinator, authorities, addresses, port, secondPort, nameServer } = settings;
  await using made = new AsyncDisposableStack();
  const stateFile = (name: string): string => join(daemon.stateDirectory, `${daemon.name}${name}`);
  const store = made.adopt(openSqliteStore(stateFile('.sqlite')), (it) => it.close());
  const own = ownKey(daemon);
  const endpoints = [port, secondPort].flatMap((each) => addresses.map((address) => ({ address, port: each })));
  const sockets = made.use(await DatagramSockets.open(endpoints));
  const engine = createDirectionCoordinator(
    {
      ...coordinator,
      ...{ own, secret: secretOf(stateFile('.secret')), judgeCredential: judgeBy(authorities) },
      secondEndpoints: addresses.map((address) => ({ address, port: secondPort })),
    },
    randomBytes,
  );
  const names = made.use(
    await NameServer.open({
      ...{ addresses, port: nameServer.port },
      zone: {
        ...{ name: coordinator.zone, servers: nameServer.names, timeToLiveSeconds: nameServer.timeToLiveSeconds },
        addressesOf: (name) => engine.addressesOf(name),
      },
    }),
  );
  const driver = createDriver({
    ...{
      engine: watched(engine, house.messages),
      clock: createClock(),
      plane: planeWithoutTunnels(sockets),
      kernel: NO_KERNEL,
      store,
    },
    ...{ events: house.events, control: house.control, network: false, onFatal: (error) => house.fatal(error) },
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return {
    async stop() {
      await names[Symbol.asyncDispose]();
      return driver.stop();
    },
    overdueMs: () => driver.overdueMs(),
  };
}

await runDaemon<DirectionCoordinatorSettings>(sendToNotifySocket, {
  role: 'dc',
  description: 'Direction coordinator of Sojourn (NTMobile): registrations, directions, names of nodes.',
  load: (file) => loadConfiguration(file, directionCoordinatorSchema),
  cautions: () => [],
  publicKey: ({ daemon }) => `hex:${hex(ownKey(daemon).publicKey)}`,
  start,
  // It leaves nothing in the kernel.
  cleanup: () => {},
});
