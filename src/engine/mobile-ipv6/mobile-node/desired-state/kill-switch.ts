/**
 * The kill switch as desired of the host: from the start of the engine on, before any registration.
 *
 * No RFC: what VPNs call a kill switch.
 *
 * The kill switch changes with the home agents' addresses and with the configuration, and with no
 * move, because a change waits for nft.
 */
import {
  type IpAddress,
  isLinkLocal,
  networkOf,
  type Prefix,
  parsePrefix,
  prefixContains,
} from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import {
  type DesiredKillSwitch,
  type DesiredLocalNetwork,
  WHOLE_TUNNEL,
} from '#engine/contract/packet-filters.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';

/** Link-local addresses, and multicast groups that routers do not forward. */
const EVERY_LINK = [
  ...['fe80::/10', 'ff02::/16', 'ff05::/16'],
  ...['169.254.0.0/16', '224.0.0.0/24', '239.255.0.0/16', '255.255.255.255/32'],
].flatMap((text) => parsePrefix(text) ?? []);
/**
 * The access network says what is on its link: it must not lead traffic to hosts of the internet
 * around the tunnel by naming their addresses. RFC 1918, 6598, 4193.
 */
const PRIVATE = [
  ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
].flatMap((text) => parsePrefix(text) ?? []);

function isPrivate({ address, length }: Prefix): boolean {
  return PRIVATE.some((range) => length >= range.length && prefixContains(range, address));
}

export type KillSwitchState = 'closed' | 'lifted';

/** A home, as far as the kill switch has to know it. */
interface ProtectedHome {
  readonly homeAgents: { readonly known: readonly IpAddress[] };
  readonly attachment: { readonly tunnel: { readonly remote: IpAddress } | undefined };
}

function hasKillSwitch({ defaultRoute, killSwitch = 'off' }: MobileNodeConfiguration): boolean {
  return defaultRoute && killSwitch !== 'off';
}

/** The part 'kill-switch'. Once closed, it is lifted rather than withdrawn while the node runs. */
export class KillSwitch {
  /** Interfaces of the role's own networks. */
  readonly #innerDevices: readonly string[];
  #isLifted = false;
  #published: string | undefined;

  constructor(innerDevices: readonly string[]) {
    this.#innerDevices = innerDevices;
  }

  /** Undefined if the configuration has none. */
  stateFor(configuration: MobileNodeConfiguration): KillSwitchState | undefined {
    if (!hasKillSwitch(configuration)) return undefined;
    return this.#isLifted ? 'lifted' : 'closed';
  }

  /** The operator's choice. */
  lift({ out }: Step, isLifted: boolean): void {
    if (this.#isLifted === isLifted) return;
    this.#isLifted = isLifted;
    const name = isLifted ? 'kill-switch-lifted' : 'kill-switch-closed';
    out.push({ kind: 'event', event: { name, level: isLifted ? 'warn' : 'info', fields: {} } });
  }

  /** The part if it has to be published. */
  changed(
    homes: readonly ProtectedHome[],
    configuration: MobileNodeConfiguration,
  ): DesiredPart | undefined {
    if (this.#published === undefined && !hasKillSwitch(configuration)) return undefined;
    const homeAgents = homes.flatMap(({ homeAgents: { known }, attachment: { tunnel } }) =>
      tunnel === undefined ? known : [...known, tunnel.remote],
    );
    const part = this.#partFor(homeAgents, configuration);
    const text = JSON.stringify(part);
    if (text === this.#published) return undefined;
    this.#published = text;
    return part;
  }

  #partFor(homeAgents: readonly IpAddress[], configuration: MobileNodeConfiguration): DesiredPart {
    const { mark, homes, killSwitch, splitTunnel = WHOLE_TUNNEL } = configuration;
    const { hasPeersAnywhere = false } = configuration;
    const desired: DesiredKillSwitch = {
      state: this.stateFor(configuration) ?? 'lifted',
      keptAtStop: killSwitch === 'always',
      mark,
      homeAgents: [...new Set(homeAgents)].sort(),
      ...(hasPeersAnywhere ? { anywhere: true } : {}),
      lookups: homes.some(({ homeAgent }) => 'name' in homeAgent),
      innerDevices: this.#innerDevices,
      splitTunnel,
    };
    return { killSwitches: [desired] };
  }
}

/** The part 'local-networks'; undefined if they are not allowed. */
export function localNetworksPart(
  interfaces: readonly NetworkInterface[],
  configuration: MobileNodeConfiguration,
): DesiredPart | undefined {
  if (configuration.allowLocalNetwork !== true || !hasKillSwitch(configuration)) return undefined;
  const networks = interfaces
    .filter(({ running }) => running)
    .flatMap(({ name: device, addresses, epoch }): readonly DesiredLocalNetwork[] => {
      const onLink = addresses
        .filter(({ address, ...entry }) => entry.epoch === epoch && !isLinkLocal(address))
        .map(
          ({ address, prefixLength: length }): Prefix => ({
            address: networkOf(address, length),
            length,
          }),
        );
      return [...EVERY_LINK, ...onLink.filter(isPrivate)].map((prefix) => ({ device, prefix }));
    });
  return { localNetworks: networks };
}
