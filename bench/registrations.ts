/**
 * A population of mobile nodes and their Binding Updates, signed in advance and stored in a file,
 * so that the measurement of the home agent includes neither their creation nor their memory.
 *
 * Even nodes are on IPv6 links (IPv6-in-IPv6), odd ones behind NATs (UDP). Each node has its own
 * key, identifier and IPv4 home address.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { assert } from '#base/assert.ts';
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  ipv6,
  type Prefix,
  parsePrefix,
} from '#base/ip.ts';
import { type Monotonic, monotonic, wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import type { DesiredPlaneRoute, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import {
  buildBindingUpdate,
  HOME_AGENT_UDP_PORT,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { NO_ROLE_OPTIONS } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';

export const HOME_AGENT = ipv6('2001:db8:1::1');
export const HOME_AGENT_V4 = ipv4('192.0.2.1');
const EPOCH_MS = 1_700_000_000_000;
/**
 * Virtual time between two Binding Updates. It is shorter than the processing time of any home
 * agent here, so that no lifetime ends within a run.
 */
export const INTERVAL_MS = 0.02;
const KEY_OCTETS = 32;
export const LIFETIME_UNITS = 105;
/** Hosts behind one NAT's public address. */
const NATS = 250;

/** Wall clock minus monotonic clock in the virtual time of a run. */
export const CLOCK_OFFSET_MS = EPOCH_MS;

export function homeAddressOf(node: number): Ipv6Address {
  return ipv6(`2001:db8:1::1:${(node >>> 16).toString(16)}:${(node & 0xffff).toString(16)}`);
}

/** 198.18.0.0/15 is set aside for benchmarks (RFC 2544) and has room for 131,072 nodes. */
export function ipv4HomeAddressOf(node: number): Ipv4Address {
  return ipv4(`198.${18 + (node >>> 16)}.${(node >>> 8) & 255}.${node & 255}`);
}

function registrationKeyOf(node: number): RegistrationKey {
  const key = new Uint8Array(KEY_OCTETS);
  new DataView(key.buffer).setUint32(0, node + 1);
  return { spi: 1000, algorithm: 'hmac-sha1-96', key };
}

function identifierOf(node: number): string {
  return `mn${node}@example.net`;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== undefined, text);
  return parsed;
}

function authorizedMobileNode(node: number): AuthorizedMobileNode {
  return {
    identifier: identifierOf(node),
    registrationKeys: [registrationKeyOf(node)],
    homeAddresses: [homeAddressOf(node)],
    ipv4HomeAddresses: [ipv4HomeAddressOf(node)],
    mayUseIpv4Pool: false,
    mobileNetworkPrefixes: [],
  };
}

/**
 * The configuration of a home agent with a virtual home network that serves nodes 0 … `nodes` − 1.
 */
export function configurationFor(nodes: number): HomeAgentConfiguration {
  return {
    addresses: [HOME_AGENT],
    ipv4Addresses: [HOME_AGENT_V4],
    udpPort: HOME_AGENT_UDP_PORT,
    homePrefixes: [prefix('2001:db8:1::/64')],
    ipv4HomePrefixes: [prefix('198.18.0.0/15')],
    ipv4Pool: undefined,
    homeLink: undefined,
    mobileNodes: Array.from({ length: nodes }, (_, node) => authorizedMobileNode(node)),
    insecure: false,
    maximumLifetimeSeconds: LIFETIME_UNITS * 4,
    refreshAdvice: 0,
    natKeepaliveSeconds: 110,
    acceptForcedUdp: true,
    timestampWindowMs: 7000,
    maximumBindings: nodes,
    tunnelMtu: { ipip: 1460, udp: 1472 },
  };
}

/** Purpose of a round of Binding Updates. Each node sends one in each round. */
export type Purpose = 'register' | 'refresh' | 'move';

export interface Plan {
  readonly nodes: number;
  readonly rounds: readonly Purpose[];
}

/** One Binding Update of a plan. */
interface Message {
  readonly node: number;
  /** Number of the care-of address; changes with every move. */
  readonly careOfIndex: number;
  readonly sequence: number;
  readonly now: Monotonic;
}

/** The nodes in an order that matches neither the file nor the home agent's memory. */
export function nodeAt(index: number, nodes: number): number {
  return (index * 65_537) % nodes;
}

function messageAt(plan: Plan, round: number, index: number): Message {
  const moves = plan.rounds.slice(0, round + 1).filter((purpose) => purpose === 'move').length;
  return {
    node: nodeAt(index, plan.nodes),
    careOfIndex: moves % 2,
    sequence: round + 1,
    now: monotonic(1_000_000 + (round * plan.nodes + index) * INTERVAL_MS),
  };
}

export function isBehindNat(node: number): boolean {
  return node % 2 === 1;
}

export function careOfAddressOf(node: number, careOfIndex: number): IpAddress {
  if (isBehindNat(node)) return ipv4(`192.168.${careOfIndex}.100`);
  return ipv6(
    `2001:db8:a:${careOfIndex}:1:${(node >>> 16).toString(16)}:${(node & 0xffff).toString(16)}:1`,
  );
}

/** The address and port to which the NAT of a node translates. */
export function translated(
  node: number,
  careOfIndex: number,
): { readonly remote: Ipv4Address; readonly remotePort: number } {
  return {
    remote: ipv4(`203.0.113.${1 + (node % NATS)}`),
    remotePort: 1024 + 2 * Math.floor(node / NATS) + careOfIndex,
  };
}

/** The desired state of the data plane for a registered node. */
export function tunnelOf(node: number): {
  readonly tunnel: DesiredTunnel;
  readonly routes: readonly DesiredPlaneRoute[];
} {
  const id = node + 1;
  const routes = [
    { prefix: { address: homeAddressOf(node), length: 128 }, tunnel: id },
    { prefix: { address: ipv4HomeAddressOf(node), length: 32 }, tunnel: id },
  ];
  if (!isBehindNat(node)) {
    const remote = careOfAddressOf(node, 0);
    const ends = { local: HOME_AGENT, remote, localPort: 0, remotePort: 0 };
    const path: OuterPath = { carrier: 'ip', ...ends };
    return { tunnel: { id, path, protection: 'none', mtu: 1460 }, routes };
  }
  const path: OuterPath = {
    carrier: 'udp',
    local: HOME_AGENT_V4,
    localPort: HOME_AGENT_UDP_PORT,
    ...translated(node, 0),
  };
  return { tunnel: { id, path, protection: 'none', mtu: 1472 }, routes };
}

function datagramOf({ node, careOfIndex, sequence, now }: Message): Uint8Array {
  const natted = isBehindNat(node);
  const { packet } = buildBindingUpdate({
    homeAddress: homeAddressOf(node),
    careOfAddress: careOfAddressOf(node, careOfIndex),
    target: { address: HOME_AGENT, outerAddress: natted ? HOME_AGENT_V4 : HOME_AGENT },
    sequence,
    lifetimeUnits: LIFETIME_UNITS,
    linkLocalCompatibility: false,
    forceUdp: false,
    ipv4HomeAddress: ipv4HomeAddressOf(node),
    identifier: identifierOf(node),
    timestamp: ntpTimestamp(wall(now + CLOCK_OFFSET_MS), (now * 50) % 1),
    registrationKey: registrationKeyOf(node),
    udpPort: HOME_AGENT_UDP_PORT,
    roleOptions: NO_ROLE_OPTIONS,
  });
  return packet;
}

const RECORD_OCTETS = 512;

/**
 * Signs every Binding Update of the plan into `file`, one record of {@link RECORD_OCTETS} each, its
 * length in the first two.
 */
export function writeRegistrations(file: string, plan: Plan): void {
  const output = openSync(file, 'w');
  const record = Buffer.alloc(RECORD_OCTETS);
  for (let round = 0; round < plan.rounds.length; round += 1) {
    for (let index = 0; index < plan.nodes; index += 1) {
      const packet = datagramOf(messageAt(plan, round, index));
      assert(packet.length <= RECORD_OCTETS - 2, 'a record is large enough');
      record.writeUInt16BE(packet.length);
      record.set(packet, 2);
      writeSync(output, record);
    }
  }
  closeSync(output);
}

/** A Binding Update as the driver passes it to the home agent. */
export interface Arrival {
  readonly now: Monotonic;
  readonly input: HomeAgentInput;
}

/** Reads the file of {@link writeRegistrations} in blocks of some hundred records. */
export class Registrations {
  readonly #file: number;
  readonly #plan: Plan;
  readonly #buffer = Buffer.alloc(RECORD_OCTETS * 1000);

  constructor(file: string, plan: Plan) {
    this.#file = openSync(file, 'r');
    this.#plan = plan;
  }

  /**
   * `count` ≤ 1000 Binding Updates of a round from `first` on; each with its own buffer, as from
   * the data plane.
   */
  read(round: number, first: number, count: number): Arrival[] {
    const { nodes } = this.#plan;
    const taken = Math.min(count, nodes - first);
    readSync(
      this.#file,
      this.#buffer,
      0,
      taken * RECORD_OCTETS,
      (round * nodes + first) * RECORD_OCTETS,
    );
    return Array.from({ length: taken }, (_, at) => {
      const start = at * RECORD_OCTETS;
      const packet = new Uint8Array(
        this.#buffer.subarray(start + 2, start + 2 + this.#buffer.readUInt16BE(start)),
      );
      return arrival(messageAt(this.#plan, round, first + at), packet);
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}

function arrival({ node, careOfIndex, now }: Message, packet: Uint8Array): Arrival {
  if (!isBehindNat(node))
    return { now, input: { kind: 'datagram', path: { kind: 'ipv6' }, packet } };
  const local = HOME_AGENT_V4;
  const path = {
    kind: 'udp',
    local,
    localPort: HOME_AGENT_UDP_PORT,
    ...translated(node, careOfIndex),
  } as const;
  return { now, input: { kind: 'datagram', path, packet } };
}
