/** The ports of a mobile node or router that is used as a VPN: kill switch and name servers. */
import { join } from 'node:path';
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { KILL_SWITCH_FILE } from '#base/kill-switch-names.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { NameServer } from '#host/dns/dns-exchange.ts';
import { HostResolver } from '#host/dns/host-resolver.ts';
import { createResolver } from '#host/dns/resolver.ts';
import {
  type KillSwitchPlace,
  openKillSwitch,
  removeKillSwitch,
} from '#host/kernel/kill-switch.ts';
import type { HostResolverPort, KillSwitchPort, ResolverPort } from '#runtime/ports.ts';
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
    mark() {
      const node = current();
      return hasKillSwitch(node) ? node.mark : undefined;
    },
  };
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
