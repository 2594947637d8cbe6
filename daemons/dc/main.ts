/**
 * The direction coordinator daemon: puts the engine, its sockets, its store and the name server
 * together. Nothing is decided here.
 */
import { join } from 'node:path';
import { hex } from '#base/bytes.ts';
import { NO_KERNEL, planeWithoutTunnels } from '#composition/control-only.ts';
import { loadOrCreateSecret } from '#composition/secret-file.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import type { Identity } from '#daemon/daemon-settings.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from '#daemon/lifecycle.ts';
import {
  type CredentialVerifier,
  credentialVerifierFor,
} from '#engine/ntmobile/common/credential-verifier.ts';
import { createDirectionCoordinator } from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import { DatagramSockets } from '#host/datagram-sockets.ts';
import { NameServer } from '#host/dns/name-server.ts';
import type { Zone } from '#host/dns/zone-answer.ts';
import { createClock } from '#host/process/clock.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { randomBytes } from '#host/process/random.ts';
import { createDriver } from '#runtime/driver.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type DirectionCoordinatorSettings, directionCoordinatorSchema } from './config.ts';

/** Made at the first start, or when somebody asks for it. */
function ownKey({ stateDirectory, name }: Identity): KeyPair {
  return keyPairOf(loadOrCreateSecret(join(stateDirectory, `${name}.key`)));
}

/**
 * The same judge as long as the authorities are: another one has every registration judged anew.
 */
function credentialVerifiers(): (authorities: readonly Uint8Array[]) => CredentialVerifier {
  const judges = new Map<string, CredentialVerifier>();
  return (authorities) => {
    const key = authorities.map(hex).sort().join();
    const judge = judges.get(key) ?? credentialVerifierFor(authorities);
    judges.clear();
    judges.set(key, judge);
    return judge;
  };
}

async function start(
  settings: DirectionCoordinatorSettings,
  house: DaemonContext,
): Promise<RunningDaemon<DirectionCoordinatorSettings>> {
  const { daemon, addresses, port, alternatePort, nameServer } = settings;
  await using made = new AsyncDisposableStack();
  const stateFile = (name: string): string => join(daemon.stateDirectory, `${daemon.name}${name}`);
  const store = made.adopt(openSqliteStore(stateFile('.sqlite')), (it) => it.close());
  const own = ownKey(daemon);
  const endpoints = [port, alternatePort].flatMap((each) =>
    addresses.map((address) => ({ address, port: each })),
  );
  const sockets = made.use(await DatagramSockets.open(endpoints));
  const secret = loadOrCreateSecret(stateFile('.secret'));
  const secondEndpoints = addresses.map((address) => ({ address, port: alternatePort }));
  const judge = credentialVerifiers();
  const configurationOf = ({ coordinator, authorities }: DirectionCoordinatorSettings) => {
    return { ...coordinator, own, secret, secondEndpoints, verifyCredential: judge(authorities) };
  };
  const engine = createDirectionCoordinator(configurationOf(settings), randomBytes);
  const zoneOf = ({
    coordinator,
    nameServer: { names, timeToLiveSeconds },
  }: DirectionCoordinatorSettings): Zone => {
    return {
      name: coordinator.zone,
      servers: names,
      timeToLiveSeconds,
      addressesOf: (name) => engine.addressesOf(name),
    };
  };
  const names = made.use(
    await NameServer.open({ addresses, port: nameServer.port, zone: zoneOf(settings) }),
  );
  const driver = createDriver({
    ...{
      engine: withMessageWatch(engine, house.messages),
      clock: createClock(),
      plane: planeWithoutTunnels(sockets),
      kernel: NO_KERNEL,
      store,
    },
    ...{
      events: house.events,
      control: house.control,
      network: false,
      onFatal: (error) => house.fatal(error),
    },
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return {
    reconfigure(fresh) {
      driver.reconfigure((now, out) => engine.reconfigure(now, configurationOf(fresh), out));
      names.useZone(zoneOf(fresh));
    },
    async stop() {
      await names[Symbol.asyncDispose]();
      return driver.stop();
    },
    overdueMs: () => driver.overdueMs(),
  };
}

await runDaemon<DirectionCoordinatorSettings>(sendToNotifySocket, {
  role: 'dc',
  description:
    'Direction coordinator of Sojourn (NTMobile): registrations, directions, names of nodes.',
  load: (file) => loadConfiguration(file, directionCoordinatorSchema),
  warnings: () => [],
  publicKey: (identity) => `hex:${hex(ownKey(identity).publicKey)}`,
  start,
  // It leaves nothing in the kernel.
  cleanup: () => {},
});
