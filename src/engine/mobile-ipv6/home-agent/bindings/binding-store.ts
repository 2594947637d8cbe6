/**
 * Records that survive a crash: bindings, former bindings and assignments of the IPv4 pool.
 *
 * RFC 6275 §10.3.1  a home agent may keep its Binding Cache in nonvolatile storage
 * RFC 4285 §6       the last timestamp of each security association
 * Times are wall-clock milliseconds, because the monotonic clock starts again with the machine;
 * 64-bit timestamps are decimal text.
 */
import { hex } from '#base/bytes.ts';
import {
  formatPrefix,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isIpv4,
  type Prefix,
  parseIpAddress,
  parseIpv6,
  parsePrefix,
} from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, type Monotonic } from '#base/time.ts';
import { ESP_ALGORITHM_NAMES } from '#crypto/esp.ts';
import type { Step } from '#engine/contract/engine.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import { type BindingKey, formatBindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { espPort } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { type Binding, type BindingState, type FormerBinding, NO_PREFIXES } from './binding.ts';
import { HIGHEST_TUNNEL_ID, protectionOf, type TunnelEndpoint } from './tunnels.ts';

/** Names of the tables. Keys are home addresses; of bindings, `formatBindingKey`. */
export const StoreTable = {
  binding: 'binding',
  formerBinding: 'former-binding',
  ipv4Assignment: 'ipv4-assignment',
  /** Keys are `<home address>/<SPI>`. */
  timestamp: 'timestamp',
  /** Keys are public keys in hexadecimal. */
  handshake: 'handshake',
} as const;

export function storeBinding(step: Step, clock: WallClock, binding: Binding): void {
  const { endpoint, id } = binding.tunnel;
  const value: JsonObject = {
    homeAgentAddress: binding.homeAgentAddress,
    careOfAddress: binding.careOfAddress,
    encapsulation: encapsulationOf(endpoint.carrier, protectionOf(endpoint)),
    algorithm: endpoint.esp?.algorithm,
    publicKey:
      endpoint.sealedFor === undefined || binding.mobileNode.publicKey === undefined
        ? undefined
        : hex(binding.mobileNode.publicKey),
    local: endpoint.local,
    localPort: endpoint.localPort,
    remote: endpoint.remote,
    remotePort: endpoint.remotePort,
    tunnel: id,
    ipv4HomeAddress: binding.ipv4HomeAddress,
    mobileRouter: binding.mobileRouter,
    mobileNetworkPrefixes: binding.mobileNetworkPrefixes.map(formatPrefix),
    sequence: binding.sequence,
    timestamp: String(binding.timestamp),
    spi: binding.spi,
    lifetimeUnits: binding.lifetimeUnits,
    expiresWallMs: clock.at(step.now) + (binding.expiresAt - step.now),
    behindNat: binding.behindNat,
    linkLocalCompatibility: binding.linkLocalCompatibility,
  };
  persist(step, StoreTable.binding, formatBindingKey(binding), value);
}

export function forgetBinding(step: Step, key: BindingKey): void {
  persist(step, StoreTable.binding, formatBindingKey(key), undefined);
}

export function storeFormerBinding(
  step: Step,
  homeAddress: Ipv6Address,
  { sequence, sequenceUntilWallMs, timestamp, spi }: FormerBinding,
): void {
  const value = { sequence, sequenceUntilWallMs, timestamp: String(timestamp), spi };
  persist(step, StoreTable.formerBinding, homeAddress, value);
}

export function forgetFormerBinding(step: Step, homeAddress: Ipv6Address): void {
  persist(step, StoreTable.formerBinding, homeAddress, undefined);
}

/** The last timestamp of a security association that another one of the mobile node replaced. */
export function storeTimestamp(step: Step, { homeAddress, timestamp, spi }: Binding): void {
  persist(step, StoreTable.timestamp, `${homeAddress}/${spi}`, String(timestamp));
}

export function parseStoredTimestamp(
  key: string,
  value: JsonValue,
):
  | { readonly homeAddress: Ipv6Address; readonly spi: number; readonly timestamp: bigint }
  | undefined {
  const [home = '', digits = ''] = key.split('/');
  const homeAddress = parseIpv6(home);
  const spi = whole(Number(digits), 0, 0xffffffff);
  if (homeAddress === undefined || spi === undefined) return undefined;
  return { homeAddress, spi, timestamp: timestamp(value) };
}

/** The timestamp of the last handshake that a mobile node began: durable, or a replay is new. */
export function storeHandshake(step: Step, publicKey: string, microseconds: bigint): void {
  const value = String(microseconds);
  step.out.push({
    ...{ kind: 'persist', table: StoreTable.handshake, key: publicKey },
    ...{ value, isDurable: true },
  });
}

export function parseStoredHandshake(value: JsonValue): bigint {
  return timestamp(value);
}

export function storeIpv4Assignment(
  step: Step,
  homeAddress: Ipv6Address,
  address: Ipv4Address,
): void {
  persist(step, StoreTable.ipv4Assignment, homeAddress, address);
}

export function forgetIpv4Assignment(step: Step, homeAddress: Ipv6Address): void {
  persist(step, StoreTable.ipv4Assignment, homeAddress, undefined);
}

function persist({ out }: Step, table: string, key: string, value: JsonValue | undefined): void {
  out.push({ kind: 'persist', table, key, value });
}

/** A binding as stored, not yet checked against the configuration. */
export interface StoredBinding {
  readonly endpoint: TunnelEndpoint;
  /** Undefined when the data plane takes no such number. */
  readonly tunnelId: number | undefined;
  /** Hexadecimal: of the mobile node whose keys seal the tunnel. */
  readonly publicKey: string | undefined;
  readonly state: BindingState;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function count(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** Undefined for anything but a whole number between `least` and `most`. */
function whole(value: JsonValue | undefined, least: number, most: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
    ? value
    : undefined;
}

function address(value: JsonValue | undefined): IpAddress | undefined {
  return parseIpAddress(text(value));
}

function timestamp(value: JsonValue | undefined): bigint {
  const digits = text(value);
  return /^\d{1,20}$/.test(digits) ? BigInt(digits) : 0n;
}

function prefixes(value: JsonValue | undefined, mobileRouter: boolean): readonly Prefix[] {
  if (!mobileRouter || !Array.isArray(value)) return NO_PREFIXES;
  return value.map((entry) => parsePrefix(text(entry))).filter((prefix) => prefix !== undefined);
}

/** Both ends of the tunnel; undefined when no registration leads to such a tunnel. */
function parseEndpoint(homeAddress: Ipv6Address, value: JsonObject): TunnelEndpoint | undefined {
  const local = address(value['local']);
  const remote = address(value['remote']);
  const encapsulation = value['encapsulation'];
  if (local === undefined || remote === undefined || isIpv4(local) !== isIpv4(remote))
    return undefined;
  if (encapsulation === 'ipip')
    return { carrier: 'ip', local, remote, localPort: 0, remotePort: 0 };
  if (encapsulation === 'esp') return parseEspEndpoint(homeAddress, local, remote, value);
  const localPort = whole(value['localPort'], 1, 0xffff);
  const remotePort = whole(value['remotePort'], 1, 0xffff);
  if (localPort === undefined || remotePort === undefined) return undefined;
  const endpoint = { carrier: 'udp', local, remote, localPort, remotePort } as const;
  if (encapsulation === 'sealed') return { ...endpoint, sealedFor: homeAddress };
  return encapsulation === 'udp' && isIpv4(local) ? endpoint : undefined;
}

function parseEspEndpoint(
  homeAddress: Ipv6Address,
  local: IpAddress,
  remote: IpAddress,
  { algorithm: name }: JsonObject,
): TunnelEndpoint | undefined {
  const algorithm = ESP_ALGORITHM_NAMES.find((one) => one === name);
  if (algorithm === undefined) return undefined;
  const udp = isIpv4(local);
  const port = espPort(udp ? 4 : 6);
  const ends = { local, remote, localPort: port, remotePort: port };
  return { carrier: udp ? 'udp' : 'ip', ...ends, esp: { homeAddress, algorithm } };
}

/**
 * Undefined when this program did not write the record. `now` and the wall clock turn the expiry
 * into monotonic time; a wall clock that was set back meanwhile must not make a binding outlive
 * its lifetime.
 */
export function parseStoredBinding(
  now: Monotonic,
  clock: WallClock,
  { homeAddress }: BindingKey,
  value: JsonValue,
): StoredBinding | undefined {
  if (!isObject(value)) return undefined;
  const homeAgentAddress = parseIpv6(text(value['homeAgentAddress']));
  const careOfAddress = address(value['careOfAddress']);
  const endpoint = parseEndpoint(homeAddress, value);
  const sequence = whole(value['sequence'], 0, 0xffff);
  const lifetimeUnits = whole(value['lifetimeUnits'], 1, 0xffff);
  if (
    homeAgentAddress === undefined ||
    careOfAddress === undefined ||
    !isGlobalUnicast(careOfAddress)
  )
    return undefined;
  if (endpoint === undefined || sequence === undefined || lifetimeUnits === undefined)
    return undefined;
  const ipv4HomeAddress = address(value['ipv4HomeAddress']);
  const leftMs = count(value['expiresWallMs']) - clock.at(now);
  return {
    endpoint,
    publicKey: endpoint.sealedFor === undefined ? undefined : text(value['publicKey']),
    tunnelId: whole(value['tunnel'], 1, HIGHEST_TUNNEL_ID),
    state: {
      homeAgentAddress,
      careOfAddress,
      ipv4HomeAddress:
        ipv4HomeAddress !== undefined && isIpv4(ipv4HomeAddress) ? ipv4HomeAddress : undefined,
      mobileNetworkPrefixes: prefixes(
        value['mobileNetworkPrefixes'],
        value['mobileRouter'] === true,
      ),
      sequence,
      timestamp: timestamp(value['timestamp']),
      spi: whole(value['spi'], 0, 0xffffffff),
      lifetimeUnits,
      expiresAt: after(now, Math.min(leftMs, lifetimeUnits * LIFETIME_UNIT_SECONDS * 1000)),
      behindNat: value['behindNat'] === true,
      linkLocalCompatibility: value['linkLocalCompatibility'] === true,
    },
  };
}

export function parseFormerBinding(value: JsonValue): FormerBinding | undefined {
  if (!isObject(value)) return undefined;
  return {
    sequence: count(value['sequence']),
    sequenceUntilWallMs: count(value['sequenceUntilWallMs']),
    timestamp: timestamp(value['timestamp']),
    spi: whole(value['spi'], 0, 0xffffffff),
  };
}
