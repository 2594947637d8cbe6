/** The engines of a mobile node or router and of an NTMobile node, with the ports they need. */
import { assert } from '#base/assert.ts';
import type { IpAddress } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { RegistrationKeyOwner } from '#engine/contract/registration-key-owner.ts';
import { ESP_UDP_PORT, isEncrypting } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type {
  MobileNodeEngine,
  MobileNodeInput,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { MobileRouterConfiguration } from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import type { NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import { createResolver, hostAddresses } from '#host/dns/resolver.ts';
import type { DriverInput } from '#runtime/driver.ts';
import type { HostResolverPort } from '#runtime/ports.ts';
import { daemonKey } from './daemon-key.ts';
import type { EngineHost, EngineSetup, OptionalPorts } from './engine-daemon.ts';
import { espOfHomes, hasEspData } from './esp-associations.ts';
import { type EngineWithCounters, joinEngines } from './joined-engines.ts';
import { type NtmobilePart, openNtmobile } from './ntmobile-part.ts';
import { type NtmobileSettings, ntmobileWarnings } from './ntmobile-settings.ts';
import type { PlaneChoice } from './packet-daemon.ts';
import { killSwitchMark, type MobileNetworks, openInner, openVpnPorts } from './vpn-ports.ts';

interface MobileEngineParts<S> {
  readonly daemon: DaemonSettings;
  /** Without homes, only the keys that describe the host matter. */
  readonly node: MobileNodeConfiguration;
  /** The node's part of reloaded settings. */
  nodeOf(settings: S): MobileNodeConfiguration;
  /** A mobile router's. */
  readonly router?: MobileRouterConfiguration;
  /** The Mobile IPv6 engine; undefined without homes, when there is NTMobile instead. */
  readonly engine: MobileNodeEngine | undefined;
  readonly ntmobile?: NtmobileSettings | undefined;
}

export async function openMobileEngines<S>(
  parts: MobileEngineParts<S>,
  host: EngineHost,
): Promise<EngineSetup<S>> {
  const { clock, context, servers } = host;
  const { daemon, node, nodeOf, engine, router } = parts;
  const mobileNetworks = networksOf(router);
  const { interfaces, homes } = node;
  let current = node;
  // A name query from an address of a mobile network would enter the tunnel, which may itself wait
  // for the answer.
  const sources = () => hostAddresses([daemon.device, ...mobileNetworks.devices]);
  const mark = () => killSwitchMark(current);
  const environment = { daemon, interfaces, homes, clock, events: context.events, sources, mark };
  const ntmobile = parts.ntmobile && (await openNtmobile(parts.ntmobile, environment));
  if (ntmobile !== undefined) servers.use(ntmobile.names);
  const protection = engine && espOfHomes(node, engine);
  return {
    engine: joined(engine, ntmobile?.engine),
    protection,
    ports: {
      // Mobility Headers and tunnels of nodes behind this router are data to forward.
      localAddresses: (links) => [
        ...homes.map(({ homeAddress }) => homeAddress),
        ...addressesOf(links),
      ],
      traffic: true,
      espSequences: hasEspData(homes),
      innerAddresses: await openInner(daemon, node, mobileNetworks, host),
      ...openVpnPorts(daemon, () => current, host, sources),
      ...namePorts(ntmobile, sources, mark),
    },
    reconfigure(now, settings, out) {
      current = nodeOf(settings);
      const first = out.length;
      engine?.reconfigure(now, current, out);
      protection?.follow({ now, out }, first);
      ntmobile?.engine.reconfigure(now, current, out);
    },
    started: async () => ntmobile?.names.use(),
  };
}

function networksOf(router: MobileRouterConfiguration | undefined): MobileNetworks {
  const { mobileNetworks = [], homes = [] } = router ?? {};
  return {
    devices: mobileNetworks.map(({ device }) => device),
    prefixes: homes.flatMap(({ mobileNetworkPrefixes }) => mobileNetworkPrefixes),
  };
}

/** The stub knows which servers to ask, and stays the resolver of the host. */
function namePorts(
  ntmobile: NtmobilePart | undefined,
  sources: () => readonly IpAddress[],
  mark: () => number | undefined,
): OptionalPorts {
  if (ntmobile === undefined) return {};
  const { names, login } = ntmobile;
  const resolver = createResolver({ sources, mark, servers: () => names.servers() });
  const hostResolver: HostResolverPort = {
    use: ({ servers }) => names.forwardTo(servers),
    restore: () => names.forwardTo(undefined),
  };
  return { resolver, login, names: names.stub, hostResolver };
}

function addressesOf(links: readonly NetworkInterface[]): readonly IpAddress[] {
  return links.flatMap((link) => link.addresses.map(({ address }) => address));
}

function joined(
  mobileIpv6: EngineWithCounters<MobileNodeInput> | undefined,
  ntmobile: EngineWithCounters<NtmobileNodeInput> | undefined,
): EngineWithCounters<DriverInput> {
  if (ntmobile !== undefined) return joinEngines({ mobileIpv6, ntmobile });
  assert(mobileIpv6 !== undefined, 'the daemon has homes, NTMobile or both');
  return mobileIpv6;
}

/** Sealed and plain tunnels share the port of RFC 5555. */
function sealedPort({ homes, udpPort }: MobileNodeConfiguration) {
  return homes.some(({ publicKey }) => publicKey !== undefined) ? { sealedPort: udpPort } : {};
}

/** ESP in UDP, over IPv4 (RFC 3948). */
function espPortOf({ homes }: MobileNodeConfiguration) {
  return hasEspData(homes) ? { espPort: ESP_UDP_PORT } : {};
}

/** The plane of a mobile node or router; Mobile IPv6 alone needs its UDP port and raw path. */
export function mobilePlane(
  node: MobileNodeConfiguration,
  { rawPath }: DaemonSettings,
  ntmobile?: NtmobileSettings,
): PlaneChoice {
  const hasHomes = node.homes.length > 0;
  return {
    lookup: 'inner-source',
    udpPort: hasHomes ? node.udpPort : 0,
    mark: node.mark,
    raw: rawPath && hasHomes,
    discovery: node.discovery === true,
    ...(ntmobile === undefined ? sealedPort(node) : { sealedPort: ntmobile.node.port }),
    ...espPortOf(node),
  };
}

/** One sentence for each home whose registrations or traffic are not protected. */
export function unprotectedHomes({ homes }: MobileNodeConfiguration): readonly string[] {
  return homes
    .filter(({ publicKey, esp }) => publicKey === undefined && !isEncrypting(esp))
    .map(({ name, registrationKey, esp }) => {
      if (esp?.data !== undefined)
        return `home "${name}" has ESP without encryption: an attacker on the path reads its data`;
      return registrationKey === undefined && esp === undefined
        ? `home "${name}" has security: none: registrations are not authenticated, and traffic ` +
            'is not encrypted'
        : `home "${name}" has no publicKey: traffic is not encrypted, and an attacker that ` +
            'spoofs outer addresses can inject packets';
    });
}

/** What an operator of a mobile node has to know at each start. */
export function mobileWarnings(
  node: MobileNodeConfiguration,
  ntmobile: NtmobileSettings | undefined,
): readonly string[] {
  const others = ntmobile === undefined ? [] : ntmobileWarnings(ntmobile);
  return [...unprotectedHomes(node), ...others];
}

/** The node's own key, where a home agent has one; it is made at the first start. */
export function sealingKey(
  { homes }: MobileNodeConfiguration,
  daemon: DaemonSettings,
): KeyPair | undefined {
  return homes.some(({ publicKey }) => publicKey !== undefined) ? daemonKey(daemon) : undefined;
}

/** The keys of home registrations. */
export function homeKeys({ homes }: MobileNodeConfiguration): readonly RegistrationKeyOwner[] {
  return homes.flatMap(({ registrationKey, identifier, homeAddress }) =>
    registrationKey === undefined
      ? []
      : [{ ...registrationKey, identifier, homeAddresses: [homeAddress] }],
  );
}
