/**
 * A home agent on its home link, with a mobile router that may use two home addresses: one from the
 * home network prefix (HNP), one from the first of its own two mobile network prefixes (MNP).
 */
import { expect } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import type { Prefix } from '#base/ip.ts';
import { ALL_NODES, type Ipv6Address, ipv6, solicitedNodeMulticast } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { mobilityAuthenticator, verifyMobility } from '#crypto/mobility-auth.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import {
  ALICE,
  CARE_OF,
  HOME_AGENT,
  OVER_IPV6,
  prefix,
  type Received,
  registrationKey,
  Scene,
  type Update,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import { homeInterface } from '#test/unit/engine/mobile-ipv6/home-agent/home-link-scene.ts';
import { encodeIcmpv6, icmpv6Codec } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { fillMobilityChecksum, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';

/** The prefix of the home address. */
export type Origin = 'HNP' | 'MNP';

export const A1 = prefix('2001:db8:5:1::/64');
export const A2 = prefix('2001:db8:5:2::/64');
export const HOME: Readonly<Record<Origin, Ipv6Address>> = {
  HNP: ipv6('2001:db8:1::100'),
  MNP: ipv6('2001:db8:5:1::100'),
};
/** The link-local address with the interface identifier of both. */
export const LINK_LOCAL = ipv6('fe80::100');

/** Another router, whose home addresses and prefixes the first one may not use. */
export const B1 = prefix('2001:db8:6:1::/64');
export const OTHER_HOME: Readonly<Record<Origin, Ipv6Address>> = {
  HNP: ipv6('2001:db8:1::200'),
  MNP: ipv6('2001:db8:6:1::200'),
};

export const ROUTER = {
  ...ALICE,
  homeAddresses: [HOME.HNP, HOME.MNP],
  mobileNetworkPrefixes: [A1, A2],
};
const OTHER_ROUTER = {
  ...ALICE,
  identifier: 'other@example.org',
  registrationKeys: [registrationKey(2000)],
  homeAddresses: [OTHER_HOME.HNP, OTHER_HOME.MNP],
  mobileNetworkPrefixes: [B1],
};

export const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const NEIGHBOUR = Uint8Array.of(2, 0, 0, 0, 0, 2);
export const NEIGHBOUR_ADDRESS = ipv6('2001:db8:1::2');
const DEVICE = 'home0';
/** IPv6 header 40, Destination Options with the Home Address option 24. */
export const HEADER_AT = 64;
const AUTHENTICATOR_SIZE = 16;
const MAIN_TABLE = 254;
const RETRANS_TIMER_MS = 1000;
const ANNOUNCEMENTS_MS = 5000;

export function onHomeLink(changes: Partial<HomeAgentConfiguration> = {}): Scene {
  const scene = new Scene({ homeLink: DEVICE, mobileNodes: [ROUTER, OTHER_ROUTER], ...changes });
  scene.input({ kind: 'network', interfaces: [homeInterface(DEVICE, OWN, [HOME_AGENT])] });
  return scene;
}

// --- Binding Updates ---

export function prefixOption({ address, length }: Prefix): MobilityOption {
  assert(address.includes(':'), 'an IPv6 prefix');
  return { type: 'mobile-network-prefix', prefixLength: length, prefix: ipv6(address) };
}

/** A mobile router's Binding Update: R set unless the flags say otherwise. */
export function build(scene: Scene, update: Update): Uint8Array {
  return scene.build(OVER_IPV6, { ...update, flags: { mobileRouter: true, ...update.flags } });
}

/** Sends the Binding Update, waits for duplicate address detection, gives the acknowledgement. */
export function exchange(scene: Scene, update: Update): Received {
  scene.sent = [];
  scene.deliver(OVER_IPV6, build(scene, update));
  return answerOf(scene);
}

export function answerOf(scene: Scene): Received {
  if (mobilityPackets(scene).length === 0) scene.pass(RETRANS_TIMER_MS);
  scene.sent = mobilityPackets(scene);
  return scene.acknowledgement();
}

function mobilityPackets(scene: Scene) {
  return scene.sent.filter(({ path, packet }) => {
    if (path.kind === 'link' && path.protocol === 'arp') return false;
    const parsed = ipv6Codec.parse(packet);
    return !isMalformed(parsed) && parsed.protocol === PROTOCOL_MOBILITY;
  });
}

/** Registers with sequence number `sequence` and waits for the advertisements on the home link. */
export function registered(
  origin: Origin,
  update: Partial<Update> = {},
  changes: Partial<HomeAgentConfiguration> = {},
) {
  const scene = onHomeLink(changes);
  expect(
    exchange(scene, { sequence: 15, homeAddress: HOME[origin], ...update }).message.status,
  ).toBe(0);
  scene.pass(ANNOUNCEMENTS_MS);
  scene.sent = [];
  return scene;
}

/** The packet with its Mobility Header changed and signed by the router's key. */
export function resigned(
  packet: Uint8Array,
  homeAddress: Ipv6Address,
  edit: (header: Uint8Array) => void,
): Uint8Array {
  const bytes = packet.slice();
  const header = bytes.subarray(HEADER_AT);
  const covered = header.length - AUTHENTICATOR_SIZE;
  edit(header);
  header.fill(0, 4, 6);
  const mobilityData = header.subarray(0, covered);
  const key = registrationKey(1000);
  header.set(
    mobilityAuthenticator({ ...key, careOfAddress: CARE_OF, homeAddress, mobilityData }),
    covered,
  );
  fillMobilityChecksum(header, homeAddress, HOME_AGENT);
  return bytes;
}

// --- expectations ---

interface Expected {
  readonly status: number;
  readonly sequence: number;
  readonly lifetimeUnits: number;
  readonly mobileRouter: boolean;
  readonly homeAddress: Ipv6Address;
  /** The source of the Binding Update. */
  readonly to?: Ipv6Address;
  readonly path?: PacketPath;
  /** Whether the home address was in an option; default yes. */
  readonly routingHeader?: boolean;
}

/**
 * Checks the whole acknowledgement: path, addresses, routing header, every field, authenticator.
 */
export function expectAnswer(answer: Received, expected: Expected): void {
  const { status, sequence, lifetimeUnits, mobileRouter, homeAddress, to = CARE_OF } = expected;
  expect(answer.path).toEqual(expected.path ?? OVER_IPV6);
  expect([answer.packet.source, answer.packet.destination]).toEqual([HOME_AGENT, to]);
  expect(answer.routingHeader).toBe(expected.routingHeader === false ? undefined : homeAddress);
  expect(answer.message).toMatchObject({ status, sequence, lifetimeUnits });
  expect(answer.message.flags).toEqual({
    keyManagementMobility: false,
    mobileRouter,
    proxyRegistration: false,
  });
  const addresses = { careOfAddress: to, homeAddress };
  const key = (spi: number) => (spi === 1000 ? registrationKey(1000) : undefined);
  expect(verifyMobility(answer.packet.payload, answer.message, addresses, key)).toBe('ok');
}

/** Checks a refusal: status and sequence number (by default the Binding Update's), no grants. */
export function expectRefusal(
  answer: Received,
  expected: Omit<Expected, 'lifetimeUnits' | 'mobileRouter'>,
): void {
  expectAnswer(answer, { ...expected, lifetimeUnits: 0, mobileRouter: false });
}

function bindings(scene: Scene): JsonValue {
  return scene.ask('bindings').value;
}

interface Served {
  readonly homeAddress: Ipv6Address;
  readonly careOf?: Ipv6Address;
  readonly sequence: number;
  readonly prefixes: readonly Prefix[];
  readonly mobileRouter?: boolean;
  readonly linkLocal?: boolean;
  readonly lifetimeUnits?: number;
}

/** Checks one binding, its tunnel, routes and permits; proxy on the home link only. */
export function expectServed(scene: Scene, served: Served): void {
  const { homeAddress, careOf = CARE_OF, sequence, prefixes, mobileRouter = true } = served;
  const lifetimeSeconds = (served.lifetimeUnits ?? 105) * 4;
  expect(bindings(scene)).toMatchObject([
    {
      homeAddress,
      careOfAddress: careOf,
      sequence,
      lifetimeSeconds,
      mobileRouter,
      encapsulation: 'ipip',
    },
  ]);
  expect(scene.ask('tunnels').value).toMatchObject([
    { local: HOME_AGENT, remote: careOf, bindings: 1 },
  ]);
  const wish = scene.desired.get(`binding/${homeAddress}`);
  const [tunnel] = tunnels(scene);
  const reached = [{ address: homeAddress, length: 128 }, ...prefixes];
  expect(sorted(wish?.planeRoutes)).toEqual(
    sorted(reached.map((one) => ({ prefix: one, tunnel: tunnel?.id }))),
  );
  expect(sorted(wish?.routes)).toEqual(
    sorted(reached.map((destination) => ({ destination, table: MAIN_TABLE, device: '%tun' }))),
  );
  const defended =
    homeAddress === HOME.HNP ? [homeAddress, ...(served.linkLocal ? [LINK_LOCAL] : [])] : [];
  expect(wish?.proxyNeighbours ?? []).toEqual(
    defended.map((address) => ({ device: DEVICE, address })),
  );
}

function tunnels(scene: Scene) {
  return [...scene.desired.values()].flatMap((part: DesiredPart) => part.tunnels ?? []);
}

function sorted<T>(list: readonly T[] | undefined): readonly string[] {
  return (list ?? []).map((one) => JSON.stringify(one)).sort();
}

/** Checks that no binding, tunnel, route, permit or stored binding exists. */
export function expectNotServed(scene: Scene, homeAddress: Ipv6Address): void {
  expect(bindings(scene)).toEqual([]);
  expect(scene.ask('tunnels').value).toEqual([]);
  expect([...scene.desired.keys()]).toEqual(['home-agent']);
  expect(scene.store.has(`binding ${homeAddress}`)).toBe(false);
}

// --- the home link ---

export function linkPath(linkAddress = NEIGHBOUR): PacketPath {
  return { kind: 'link', device: DEVICE, protocol: 'ipv6', linkAddress };
}

function neighbour(
  scene: Scene,
  body: Icmpv6Body,
  source: Ipv6Address,
  destination: Ipv6Address,
): void {
  const payload = encodeIcmpv6(body, 0, source, destination);
  const header = {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 255,
    source,
    destination,
    extensions: [],
    protocol: 58,
  };
  scene.deliver(linkPath(), encode(ipv6Codec, { ...header, payload }));
}

export type Solicitation = 'multicast' | 'unicast' | 'unicast without link-layer address' | 'probe';

/** Solicits `target` as in RFC 4861 §7.2 or RFC 4862 §5.4.2. */
export function solicit(scene: Scene, target: Ipv6Address, how: Solicitation): void {
  const told = how === 'multicast' || how === 'unicast';
  const options = told ? [{ type: 'source-link-layer-address', address: NEIGHBOUR } as const] : [];
  const source = how === 'probe' ? ipv6('::') : NEIGHBOUR_ADDRESS;
  const destination =
    how === 'multicast' || how === 'probe' ? solicitedNodeMulticast(target) : target;
  neighbour(scene, { type: 'neighbour-solicitation', target, options }, source, destination);
}

export function advertise(scene: Scene, target: Ipv6Address): void {
  const options = [{ type: 'target-link-layer-address', address: NEIGHBOUR } as const];
  const flags = { router: true, solicited: false, override: true };
  neighbour(
    scene,
    { type: 'neighbour-advertisement', ...flags, target, options },
    target,
    ALL_NODES,
  );
}

/** The Neighbour Discovery packets that were sent on the link, in readable form. */
export function sentOnLink(scene: Scene) {
  return scene.sent.flatMap(({ path, packet }) => {
    if (path.kind !== 'link' || path.protocol === 'arp') return [];
    const parsed = ipv6Codec.parse(packet);
    assert(!isMalformed(parsed), 'IPv6');
    const message = icmpv6Codec.parse(parsed.payload);
    assert(!isMalformed(message), 'ICMPv6');
    const to = [...path.linkAddress].map((octet) => octet.toString(16)).join(':');
    return [{ to, source: parsed.source, destination: parsed.destination, body: message.body }];
  });
}
