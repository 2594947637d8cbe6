/** The engine of a direction coordinator and the name server that answers from it. */
import { join } from 'node:path';
import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { ServiceSettings } from '#daemon/daemon-settings.ts';
import {
  type CredentialVerifier,
  credentialVerifierFor,
} from '#engine/ntmobile/common/credential-verifier.ts';
import type { CoordinatorConfiguration } from '#engine/ntmobile/coordinator/configuration.ts';
import { createDirectionCoordinator } from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import type { ListenAt } from '#host/datagram-sockets.ts';
import { NameServer } from '#host/dns/name-server.ts';
import type { Zone } from '#host/dns/zone-answer.ts';
import { randomBytes } from '#host/process/random.ts';
import { daemonKey } from './daemon-key.ts';
import type { EngineHost, EngineSetup } from './engine-daemon.ts';
import { loadOrCreateSecret } from './secret-file.ts';

/** Made in the daemon's state directory, or from other parts of the configuration. */
type Derived = 'own' | 'verifyCredential' | 'secret' | 'secondEndpoints';

export interface DirectionCoordinatorSettings {
  readonly daemon: ServiceSettings;
  readonly coordinator: Omit<CoordinatorConfiguration, Derived>;
  /** Ed25519 public keys of account servers. */
  readonly authorities: readonly Uint8Array[];
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly alternatePort: number;
  readonly nameServer: {
    readonly port: number;
    readonly names: readonly string[];
    readonly timeToLiveSeconds: number;
    readonly answersPerSecond: number;
  };
}

/** Each address with both ports: nodes classify their NAT with the second port (RFC 5780). */
export function coordinatorEndpoints({
  addresses,
  port,
  alternatePort,
}: DirectionCoordinatorSettings): readonly ListenAt[] {
  return [port, alternatePort].flatMap((each) => endpointsAt(addresses, each));
}

export async function openDirectionCoordinator(
  settings: DirectionCoordinatorSettings,
  { servers }: EngineHost,
): Promise<EngineSetup<DirectionCoordinatorSettings>> {
  const { daemon, addresses, alternatePort } = settings;
  const fixed = {
    own: daemonKey(daemon),
    secret: loadOrCreateSecret(join(daemon.stateDirectory, `${daemon.name}.secret`)),
    secondEndpoints: endpointsAt(addresses, alternatePort),
  };
  const verifierFor = latestVerifier();
  const configurationOf = ({ coordinator, authorities }: DirectionCoordinatorSettings) => {
    return { ...coordinator, ...fixed, verifyCredential: verifierFor(authorities) };
  };
  const engine = createDirectionCoordinator(configurationOf(settings), randomBytes);
  const zoneOf = ({ coordinator, nameServer }: DirectionCoordinatorSettings): Zone => ({
    name: coordinator.zone,
    servers: nameServer.names,
    timeToLiveSeconds: nameServer.timeToLiveSeconds,
    addressesOf: (name) => engine.addressesOf(name),
  });
  const { port, answersPerSecond } = settings.nameServer;
  const names = servers.use(
    await NameServer.open({ addresses, port, answersPerSecond, zone: zoneOf(settings) }),
  );
  return {
    engine,
    ports: { network: false, names: { onQuery: () => {}, counters: () => names.counters() } },
    reconfigure(now, fresh, out) {
      engine.reconfigure(now, configurationOf(fresh), out);
      names.reconfigure(zoneOf(fresh), fresh.nameServer.answersPerSecond);
    },
  };
}

/**
 * Returns the same verifier while the authorities are the same: the engine verifies every
 * registration again when it gets another one.
 */
function latestVerifier(): (authorities: readonly Uint8Array[]) => CredentialVerifier {
  let latest: { readonly key: string; readonly verifier: CredentialVerifier } | undefined;
  return (authorities) => {
    const key = authorities.map(hex).sort().join();
    if (latest?.key !== key) latest = { key, verifier: credentialVerifierFor(authorities) };
    return latest.verifier;
  };
}

function endpointsAt(addresses: readonly IpAddress[], port: number): readonly ListenAt[] {
  return addresses.map((address) => ({ address, port }));
}
