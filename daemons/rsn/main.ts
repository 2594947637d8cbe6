/**
 * The relay daemon: puts the engine, the data plane, the kernel's translation and the store
 * together. Nothing is decided here.
 */
import { join } from 'node:path';
import { hex } from '#base/bytes.ts';
import { cleanUp, openOwnKernel } from '#composition/own-kernel.ts';
import { loadOrCreateSecret } from '#composition/secret-file.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import type { Identity } from '#daemon/daemon-settings.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from '#daemon/lifecycle.ts';
import { credentialVerifierFor } from '#engine/ntmobile/common/credential-verifier.ts';
import { createRelay } from '#engine/ntmobile/relay/relay.ts';
import { createResolver } from '#host/dns/resolver.ts';
import { openAddressMaps, removeAddressMaps } from '#host/kernel/address-map.ts';
import { forwardingControl, hasForwardingEnabled } from '#host/kernel/sysctl.ts';
import { openPlane } from '#host/plane/plane.ts';
import { createClock } from '#host/process/clock.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { randomBytes } from '#host/process/random.ts';
import { createDriver } from '#runtime/driver.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { type RelaySettings, relaySchema } from './config.ts';

const ROLE = 'relay-server';
const DNS_PORT = 53;

/** Made at the first start, or when somebody asks for it. */
function ownKey({ stateDirectory, name }: Identity): KeyPair {
  return keyPairOf(loadOrCreateSecret(join(stateDirectory, `${name}.key`)));
}

async function start(
  { daemon, relay, authorities }: RelaySettings,
  house: DaemonContext,
): Promise<RunningDaemon<RelaySettings>> {
  await using made = new AsyncDisposableStack();
  const clock = createClock();
  const store = made.adopt(
    openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)),
    (it) => it.close(),
  );
  const own = ownKey(daemon);
  const plane = made.adopt(
    openPlane({
      ...{
        device: daemon.device,
        side: 'home-agent',
        deviceMtu: daemon.deviceMtu,
        threads: daemon.threads,
      },
      ...{ sealedPort: relay.port, udpPort: 0, raw: false, linkDevices: [], mark: 0, holdMs: 0 },
    }),
    (it) => it.close(),
  );
  const kernel = made.adopt(openOwnKernel(ROLE, daemon, clock), (it) => it.close());
  // What a killed run turned on says nothing of the host.
  kernel.sweep();
  const { systemPrefix, virtualIpv4Prefixes, translatorIpv4Prefix } = relay;
  const maps = await openAddressMaps({
    ...{
      table: daemon.device,
      device: daemon.device,
      forwards: hasForwardingEnabled(daemon.device),
    },
    virtualPrefixes: [systemPrefix, ...virtualIpv4Prefixes, translatorIpv4Prefix],
    onLost: (error) => house.fatal(error),
  });
  made.defer(() => maps.close());
  const servers = daemon.resolvers.map((address) => ({ address, port: DNS_PORT }));
  const fixed = {
    own,
    verifyCredential: credentialVerifierFor(authorities),
    forwarding: forwardingControl(),
  };
  const engine = createRelay({ ...relay, ...fixed }, randomBytes);
  const driver = createDriver({
    ...{
      engine: withMessageWatch(engine, house.messages),
      clock,
      plane,
      kernel,
      store,
      addressMaps: maps,
    },
    ...{ events: house.events, control: house.control, onFatal: (error) => house.fatal(error) },
    resolver: createResolver(servers.length > 0 ? { servers } : {}),
  });
  driver.start();
  // From here on the driver closes what was opened.
  made.move();
  return {
    reconfigure: (fresh) =>
      driver.reconfigure((now, out) => engine.reconfigure(now, { ...fresh.relay, ...fixed }, out)),
    async stop() {
      const failures = driver.stop();
      await maps.close();
      return failures;
    },
    overdueMs: () => driver.overdueMs(),
  };
}

await runDaemon<RelaySettings>(sendToNotifySocket, {
  role: 'rsn',
  description:
    'Relay of Sojourn (NTMobile): joins nodes to each other, and to servers that know nothing of NTMobile.',
  load: (file) => loadConfiguration(file, relaySchema),
  warnings: () => [],
  publicKey: (identity) => `hex:${hex(ownKey(identity).publicKey)}`,
  start,
  cleanup: ({ daemon }) => {
    cleanUp(ROLE, daemon);
    removeAddressMaps(daemon.device);
  },
});
