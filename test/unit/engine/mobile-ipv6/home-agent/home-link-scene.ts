/** A home agent on a home link, and packets of a neighbour there. */
import { encode, isMalformed } from '#base/bytes.ts';
import {
  ALL_NODES,
  type IpAddress,
  type Ipv6Address,
  ipv6,
  solicitedNodeMulticast,
  UNSPECIFIED_V4,
} from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { arpCodec } from '#wire/ip/arp.ts';
import { encodeIcmpv6, icmpv6Codec } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { HOME_AGENT, OVER_IPV6, Scene } from './home-agent-scene.ts';

export const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
export const NEIGHBOUR = Uint8Array.of(2, 0, 0, 0, 0, 2);
export const NEIGHBOUR_ADDRESS = ipv6('2001:db8:1::2');
export const LINK_LOCAL = ipv6('fe80::100');
export const ASK = {
  type: 'ipv4-home-address',
  prefixLength: 32,
  requestPrefix: false,
  address: UNSPECIFIED_V4,
} as const;
export const COMPATIBLE = { linkLocalCompatibility: true };

export function onLink(
  own: readonly IpAddress[] = [HOME_AGENT],
  changes: Partial<HomeAgentConfiguration> = {},
): Scene {
  const scene = new Scene({ ...changes, homeLink: 'home0' });
  scene.input({ kind: 'network', interfaces: [homeInterface('home0', OWN, own)] });
  return scene;
}

/** The home agent's interface on the home link, with its addresses. */
export function homeInterface(
  name: string,
  linkAddress: Uint8Array,
  own: readonly IpAddress[],
): NetworkInterface {
  const usable = { tentative: false, duplicate: false, deprecated: false };
  const lasting = { prefixLength: 64, validUntil: NEVER, epoch: 1 };
  const addresses = own.map((address) => ({ address, ...usable, ...lasting }));
  return {
    index: 2,
    name,
    running: true,
    epoch: 1,
    mtu: 1500,
    linkAddress,
    addresses,
    routers: [],
  };
}

export function fromLink(protocol: 'ipv6' | 'arp' = 'ipv6', linkAddress = NEIGHBOUR): PacketPath {
  return { kind: 'link', device: 'home0', protocol, linkAddress };
}

function neighbour(
  scene: Scene,
  body: Icmpv6Body,
  source: Ipv6Address,
  destination: Ipv6Address,
  hopLimit = 255,
) {
  const payload = encodeIcmpv6(body, 0, source, destination);
  const header = {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit,
    source,
    destination,
    extensions: [],
    protocol: 58,
  };
  scene.sent = [];
  scene.deliver(fromLink(), encode(ipv6Codec, { ...header, payload }));
}

export function solicit(
  scene: Scene,
  target: Ipv6Address,
  source: Ipv6Address = NEIGHBOUR_ADDRESS,
  hopLimit = 255,
) {
  const options =
    source === '::' ? [] : [{ type: 'source-link-layer-address', address: NEIGHBOUR } as const];
  neighbour(
    scene,
    { type: 'neighbour-solicitation', target, options },
    source,
    solicitedNodeMulticast(target),
    hopLimit,
  );
}

export function advertise(scene: Scene, target: Ipv6Address) {
  const options = [{ type: 'target-link-layer-address', address: NEIGHBOUR } as const];
  const flags = { router: false, solicited: false, override: true };
  neighbour(
    scene,
    { type: 'neighbour-advertisement', ...flags, target, options },
    target,
    ALL_NODES,
  );
}

/** The packets that the home agent sent on the link, in readable form. */
export function sentOnLink(scene: Scene) {
  return scene.sent.map(({ path, packet }) => {
    if (path.kind !== 'link') return { path };
    const to = [...path.linkAddress].map((octet) => octet.toString(16)).join(':');
    if (path.protocol === 'arp') return { to, arp: arpCodec.parse(packet) };
    const parsed = ipv6Codec.parse(packet);
    if (isMalformed(parsed)) return { to, malformed: parsed.reason };
    const { source, destination, protocol } = parsed;
    const message = icmpv6Codec.parse(parsed.payload);
    return {
      to,
      source,
      destination,
      protocol,
      body: isMalformed(message) ? undefined : message.body,
    };
  });
}

/** Registered after duplicate address detection and all unsolicited advertisements. */
export function registered(options: Parameters<Scene['build']>[1] = { sequence: 1 }): Scene {
  const scene = onLink();
  scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, options));
  scene.pass(5000);
  scene.sent = [];
  return scene;
}
