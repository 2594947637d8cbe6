/** The engine of a relay, the kernel's address translation and the resolver. */
import type { SealedDaemonSettings } from '#daemon/daemon-settings.ts';
import { credentialVerifierFor } from '#engine/ntmobile/common/credential-verifier.ts';
import type { RelayConfiguration } from '#engine/ntmobile/relay/configuration.ts';
import { createRelay } from '#engine/ntmobile/relay/relay.ts';
import { openAddressMaps } from '#host/kernel/address-map.ts';
import { forwardingControl, hasForwardingEnabled } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import { daemonKey } from './daemon-key.ts';
import { configuredResolver, type EngineHost, type EngineSetup } from './engine-daemon.ts';

/**
 * Made in the daemon's state directory, from the configured authorities, or read from the kernel.
 */
type Derived = 'own' | 'verifyCredential' | 'forwarding';

export interface RelaySettings {
  readonly daemon: SealedDaemonSettings;
  readonly relay: Omit<RelayConfiguration, Derived>;
  /** Ed25519 public keys of account servers. */
  readonly authorities: readonly Uint8Array[];
  /** Of the kernel, at a time, to servers without NTMobile. */
  readonly connectionsOfNode: number;
}

export async function openRelay(
  { daemon, relay, authorities, connectionsOfNode }: RelaySettings,
  { context, resources }: EngineHost,
): Promise<EngineSetup<RelaySettings>> {
  const derived = {
    own: daemonKey(daemon),
    verifyCredential: credentialVerifierFor(authorities),
    forwarding: forwardingControl(),
  };
  const { systemPrefix, virtualIpv4Prefixes, translatorIpv4Prefix } = relay;
  const addressMaps = await openAddressMaps({
    table: daemon.device,
    device: daemon.device,
    forwards: hasForwardingEnabled(daemon.device),
    virtualPrefixes: [systemPrefix, ...virtualIpv4Prefixes, translatorIpv4Prefix],
    connectionsOfSource: connectionsOfNode,
    onLost: (error) => context.fatal(error),
  });
  resources.defer(() => addressMaps.close());
  const engine = createRelay({ ...relay, ...derived }, randomBytes);
  return {
    engine,
    ports: { addressMaps, resolver: configuredResolver(daemon) },
    reconfigure: (now, fresh, out) => engine.reconfigure(now, { ...fresh.relay, ...derived }, out),
  };
}
