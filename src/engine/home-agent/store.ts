/**
 * What survives a crash: bindings, what outlives them, and pool assignments.
 *
 * RFC 6275 §10.3.1  a home agent may keep its Binding Cache in nonvolatile storage
 * Times are wall-clock milliseconds, because the monotonic clock starts anew; 64-bit timestamps are decimal text.
 */
import {
  formatPrefix,
  type IpAddress,
  type Ipv6Address,
  isIpv4,
  parseIpAddress,
  parseIpv6,
  parsePrefix,
} from '#base/ip.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import type { JsonObject, JsonValue, Output, Prefix } from '#engine/contract.ts';
import { type Binding, type BindingState, type FormerBinding, NO_PREFIXES } from './binding.ts';
import type { HomeAgentState } from './state.ts';
import type { Endpoint } from './tunnels.ts';

/** Names of the tables; keys are home addresses. */
export const StoreTable = {
  binding: 'binding',
  formerBinding: 'former-binding',
  ipv4Assignment: 'ipv4-assignment',
} as const;

export function storeBinding(state: HomeAgentState, now: Monotonic, binding: Binding, out: Output[]): void {
  const { endpoint, id } = binding.tunnel;
  const value: JsonObject = {
    homeAgentAddress: binding.homeAgentAddress,
    careOfAddress: binding.careOfAddress,
    encapsulation: endpoint.encapsulation,
    local: endpoint.local,
    localPort: endpoint.localPort,
    remote: endpoint.remote,
    remotePort: endpoint.remotePort,
    tunnel: id,
    ipv4HomeAddress: binding.ipv4HomeAddress,
    mobileNetworkPrefixes: binding.mobileNetworkPrefixes.map(formatPrefix),
    sequence: binding.sequence,
    timestamp: String(binding.timestamp),
    lifetimeUnits: binding.lifetimeUnits,
    expiresWallMs: state.wallAt(now) + (binding.expiresAt - now),
    behindNat: binding.behindNat,
    linkLocalCompatibility: binding.linkLocalCompatibility,
  };
  out.push({ kind: 'persist', table: StoreTable.binding, key: binding.homeAddress, value });
}

/** After a jump of the wall clock, which must neither end nor prolong a binding at the next restart. */
export function storeAllBindings(state: HomeAgentState, now: Monotonic, out: Output[]): void {
  for (const binding of state.cache.values()) storeBinding(state, now, binding, out);
}

export function forgetBinding(homeAddress: Ipv6Address, out: Output[]): void {
  out.push({ kind: 'persist', table: StoreTable.binding, key: homeAddress, value: undefined });
}

export function storeFormerBinding(homeAddress: Ipv6Address, former: FormerBinding, out: Output[]): void {
  const { sequence, sequenceUntilWallMs, timestamp } = former;
  const value: JsonObject = { sequence, sequenceUntilWallMs, timestamp: String(timestamp) };
  out.push({ kind: 'persist', table: StoreTable.formerBinding, key: homeAddress, value });
}

/** A binding as stored, not yet judged by the configuration. */
export interface StoredBinding {
  readonly endpoint: Endpoint;
  readonly tunnelId: number;
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

function address(value: JsonValue | undefined): IpAddress | undefined {
  return parseIpAddress(text(value));
}

function timestamp(value: JsonValue | undefined): bigint {
  const digits = text(value);
  return /^\d{1,20}$/.test(digits) ? BigInt(digits) : 0n;
}

function prefixes(value: JsonValue | undefined): readonly Prefix[] {
  if (!Array.isArray(value) || value.length === 0) return NO_PREFIXES;
  return value.map((entry) => parsePrefix(text(entry))).filter((prefix) => prefix !== undefined);
}

/** Undefined when the record is not one of ours. `now` and the wall clock turn the expiry into monotonic time. */
export function parseStoredBinding(state: HomeAgentState, now: Monotonic, value: JsonValue): StoredBinding | undefined {
  if (!isObject(value)) return undefined;
  const homeAgentAddress = parseIpv6(text(value['homeAgentAddress']));
  const careOfAddress = address(value['careOfAddress']);
  const local = address(value['local']);
  const remote = address(value['remote']);
  const ipv4HomeAddress = address(value['ipv4HomeAddress']);
  if (homeAgentAddress === undefined || careOfAddress === undefined) return undefined;
  if (local === undefined || remote === undefined) return undefined;
  return {
    endpoint: {
      encapsulation: value['encapsulation'] === 'udp' ? 'udp' : 'ipip',
      local,
      remote,
      localPort: count(value['localPort']),
      remotePort: count(value['remotePort']),
    },
    tunnelId: count(value['tunnel']),
    state: {
      homeAgentAddress,
      careOfAddress,
      ipv4HomeAddress: ipv4HomeAddress !== undefined && isIpv4(ipv4HomeAddress) ? ipv4HomeAddress : undefined,
      mobileNetworkPrefixes: prefixes(value['mobileNetworkPrefixes']),
      sequence: count(value['sequence']),
      timestamp: timestamp(value['timestamp']),
      lifetimeUnits: count(value['lifetimeUnits']),
      expiresAt: monotonic(now + count(value['expiresWallMs']) - state.wallAt(now)),
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
  };
}
