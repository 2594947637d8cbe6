/**
 * The ports of a mobile node or router that is used as a VPN: kill switch, name servers, and the
 * protection of its home addresses.
 */
import { join } from 'node:path';
import { type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { KILL_SWITCH_FILE } from '#base/kill-switch-names.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import {
  fixedAddressesOf,
  type MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { NameServer } from '#host/dns/dns-exchange.ts';
import { HostResolver } from '#host/dns/host-resolver.ts';
import { createResolver } from '#host/dns/resolver.ts';
import { openInnerAddresses } from '#host/kernel/inner-addresses.ts';
import {
  type KillSwitchPlace,
  openKillSwitch,
  removeKillSwitch,
} from '#host/kernel/kill-switch.ts';
import type {
  HostResolverPort,
  InnerAddressPort,
  KillSwitchPort,
  ResolverPort,
} from '#runtime/ports.ts';
import type { EngineHost } from './engine-daemon.ts';
import { resolvConfPaths } from './host-names.ts';

const DNS_PORT = 53;

interface VpnPorts {
  readonly killSwitch: KillSwitchPort;
  readonly hostResolver?: HostResolverPort;
  readonly resolver?: ResolverPort;
}

function placeOf({ name, stateDirectory }: DaemonSettings): KillSwitchPlace {
  return { name, file: join(stateDirectory, `${name}${KILL_SWITCH_FILE}`) };
}

/**
 * Opens the ports; without a kill switch in the configuration, lifts that of an earlier run.
 *
 * The node asks the servers of the access network for its home agent's name: others are behind the
 * tunnel. With a kill switch the queries carry its mark.
 */
export function openVpnPorts(
  daemon: DaemonSettings,
  current: () => MobileNodeConfiguration,
  host: EngineHost,
  sources: () => readonly IpAddress[],
): VpnPorts {
  const killSwitch = openSwitch(daemon, hasKillSwitch(current()), host);
  const hostResolver = new HostResolver({
    ...{ device: daemon.device, owner: daemon.name, ...resolvConfPaths(daemon) },
    note: (event) => host.context.events.event(event, Date.now()),
  });
  host.resources.use(hostResolver);
  const queries = accessQueries(daemon.resolvers, current, hostResolver);
  return { killSwitch, hostResolver, resolver: createResolver({ sources, ...queries }) };
}

function hasKillSwitch({ killSwitch = 'off' }: MobileNodeConfiguration): boolean {
  return killSwitch !== 'off';
}

/** The mark of packets that leave outside the tunnel; undefined if no kill switch demands it. */
export function killSwitchMark(node: MobileNodeConfiguration): number | undefined {
  return hasKillSwitch(node) ? node.mark : undefined;
}

/** Follows the configuration: a reload may close the host, or open it. */
export function accessQueries(
  resolvers: readonly IpAddress[],
  current: () => MobileNodeConfiguration,
  hostResolver: Pick<HostResolver, 'accessServers'>,
): { servers(): readonly NameServer[]; mark(): number | undefined } {
  return {
    servers: () =>
      resolvers.length > 0
        ? resolvers.map((address) => ({ address, port: DNS_PORT }))
        : hostResolver.accessServers(hasKillSwitch(current())),
    mark: () => killSwitchMark(current()),
  };
}

/** A router's own networks. */
export interface MobileNetworks {
  /** Interfaces. */
  readonly devices: readonly string[];
  readonly prefixes: readonly Prefix[];
}

export async function openInner(
  { device }: DaemonSettings,
  { homes, trustedInterfaces = [] }: MobileNodeConfiguration,
  networks: MobileNetworks,
  { context, resources }: EngineHost,
): Promise<InnerAddressPort> {
  const addresses = homes.flatMap(fixedAddressesOf);
  const opened = await openInnerAddresses({
    device,
    trusted: [...networks.devices, ...trustedInterfaces],
    configured: [
      ...addresses.map((address) => ({ address, length: isIpv6(address) ? 128 : 32 })),
      ...networks.prefixes,
    ],
    owner: 'host',
    onLost: (error) => context.fatal(error),
    onRefused({ message: error }) {
      const fields = { what: 'inner-prefix', error };
      context.events.event({ name: 'kernel-refused', level: 'warn', fields }, Date.now());
    },
  });
  resources.defer(() => opened.close());
  return opened;
}

function openSwitch(
  daemon: DaemonSettings,
  isRequired: boolean,
  { context, resources }: EngineHost,
): KillSwitchPort {
  if (!isRequired) removeKillSwitch(placeOf(daemon));
  const note = (name: EngineEvent['name'], fields: JsonObject): void =>
    context.events.event({ name, level: 'warn', fields }, Date.now());
  const killSwitch = openKillSwitch({
    ...placeOf(daemon),
    ...{ device: daemon.device, isRequired },
    onUnusable: (error) => context.fatal(error),
    onRestored: () => note('kill-switch-restored', {}),
    onRefused(thrown) {
      const error = thrown instanceof Error ? thrown.message : String(thrown);
      note('kernel-refused', { what: 'kill-switch', error });
    },
  });
  resources.defer(() => killSwitch.close());
  return killSwitch;
}
