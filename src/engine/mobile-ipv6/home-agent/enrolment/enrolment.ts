/**
 * One enrolment: what the operator granted to a name, and how far the node has come.
 *
 * No RFC: docs/reference/enrolment.md §3
 */
import { fromHex, hex } from '#base/bytes.ts';
import {
  formatPrefix,
  type Ipv4Address,
  type Ipv6Address,
  isIpv4,
  type Prefix,
  parseIpAddress,
  parseIpv6,
  parsePrefix,
} from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';

/** Addresses and prefixes of one enrolled node. */
export interface Grants {
  readonly homeAddress: Ipv6Address;
  /** `dynamic`: from the IPv4 pool when the node registers. */
  readonly ipv4HomeAddress: Ipv4Address | 'none' | 'dynamic';
  readonly mobileRouter: boolean;
  readonly mobileNetworkPrefixes: readonly Prefix[];
  /** Of isolation, which the node does not learn. */
  readonly group?: string | undefined;
}

interface EnrolledState {
  readonly phase: 'enrolled';
  readonly publicKey: Uint8Array;
  readonly enrolledWallMs: number;
  /** The mobile node that may register. */
  readonly mobileNode: AuthorizedMobileNode;
}

export interface Enrolment {
  readonly name: string;
  readonly grants: Grants;
  readonly createdWallMs: number;
  readonly expiresWallMs: number;
  /** SHA-256 of the one-time secret. */
  readonly secretHash: Uint8Array;
  readonly state: { readonly phase: 'waiting' } | EnrolledState;
}

/** The state of a node that proved the secret. */
export function enrolled(
  { name, grants }: Pick<Enrolment, 'name' | 'grants'>,
  publicKey: Uint8Array,
  enrolledWallMs: number,
): EnrolledState {
  const { homeAddress, ipv4HomeAddress, mobileRouter, mobileNetworkPrefixes, group } = grants;
  const mobileNode: AuthorizedMobileNode = {
    identifier: name,
    registrationKeys: [],
    publicKey,
    homeAddresses: [homeAddress],
    ipv4HomeAddresses:
      ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic' ? [] : [ipv4HomeAddress],
    mayUseIpv4Pool: ipv4HomeAddress === 'dynamic',
    mobileRouter,
    mobileNetworkPrefixes,
    ...(group === undefined ? {} : { group }),
  };
  return { phase: 'enrolled', publicKey, enrolledWallMs, mobileNode };
}

/** The record of the store; its key is the name. */
export function storedEnrolment(enrolment: Enrolment): JsonObject {
  const { grants, createdWallMs, expiresWallMs, secretHash, state } = enrolment;
  return {
    homeAddress: grants.homeAddress,
    ipv4HomeAddress: grants.ipv4HomeAddress,
    mobileRouter: grants.mobileRouter,
    mobileNetworkPrefixes: grants.mobileNetworkPrefixes.map(formatPrefix),
    ...(grants.group === undefined ? {} : { group: grants.group }),
    createdWallMs,
    expiresWallMs,
    secretHash: hex(secretHash),
    ...(state.phase === 'enrolled'
      ? { publicKey: hex(state.publicKey), enrolledWallMs: state.enrolledWallMs }
      : {}),
  };
}

/** Undefined when this program did not write the record. */
export function parseStoredEnrolment(name: string, value: JsonValue): Enrolment | undefined {
  if (!isObject(value)) return undefined;
  const grants = parseGrants(value);
  const secretHash = octets(value['secretHash']);
  const { createdWallMs, expiresWallMs, publicKey, enrolledWallMs } = value;
  if (grants === undefined || secretHash === undefined) return undefined;
  if (typeof createdWallMs !== 'number' || typeof expiresWallMs !== 'number') return undefined;
  const common = { name, grants, createdWallMs, expiresWallMs, secretHash };
  if (publicKey === undefined) return { ...common, state: { phase: 'waiting' } };
  const key = octets(publicKey);
  if (key === undefined || typeof enrolledWallMs !== 'number') return undefined;
  return { ...common, state: enrolled(common, key, enrolledWallMs) };
}

function parseGrants(record: JsonObject): Grants | undefined {
  const homeAddress = parseIpv6(text(record['homeAddress']));
  const ipv4HomeAddress = parseIpv4Grant(text(record['ipv4HomeAddress']));
  const listed = record['mobileNetworkPrefixes'];
  const prefixes = Array.isArray(listed) ? listed.map((one) => parsePrefix(text(one))) : [];
  const mobileNetworkPrefixes = prefixes.filter((prefix) => prefix !== undefined);
  if (homeAddress === undefined || ipv4HomeAddress === undefined) return undefined;
  if (mobileNetworkPrefixes.length < prefixes.length) return undefined;
  const mobileRouter = record['mobileRouter'] === true;
  const { group } = record;
  return {
    ...{ homeAddress, ipv4HomeAddress, mobileRouter, mobileNetworkPrefixes },
    ...(typeof group === 'string' ? { group } : {}),
  };
}

export function parseIpv4Grant(given: string): Grants['ipv4HomeAddress'] | undefined {
  if (given === 'none' || given === 'dynamic') return given;
  const address = parseIpAddress(given);
  return address !== undefined && isIpv4(address) ? address : undefined;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Of 32 octets. */
function octets(value: JsonValue | undefined): Uint8Array | undefined {
  const digits = text(value);
  return /^[0-9a-f]{64}$/.test(digits) ? fromHex(digits) : undefined;
}
