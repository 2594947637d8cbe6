/**
 * The result of a login, and its record in the store. No RFC: docs/reference/ntmobile.md §2.2; the
 * record's format is Sojourn's own.
 */
import { fromHex, hex } from '#base/bytes.ts';
import { formatPrefix, type IpAddress, parseIpAddress, parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Wall, wall } from '#base/time.ts';
import type { CoordinatorDescription, LoginInput } from '#engine/contract/ntmobile.ts';

type Outcome = Extract<LoginInput['outcome'], { readonly granted: true }>;

/** `renewalToken` is empty when it is not usable any more. */
export interface LoginGrant extends Omit<Outcome, 'granted'> {
  readonly renewAt: Wall;
}

export function loginRecord(granted: LoginGrant): JsonObject {
  const {
    credential,
    notAfter,
    renewAt,
    renewalToken,
    coordinators,
    authorities,
    systemPrefix,
    generalPrefixes,
    relayKeys,
    zone,
  } = granted;
  return {
    ...{
      credential: hex(credential),
      notAfter,
      renewAt,
      renewalToken,
      zone,
      systemPrefix: formatPrefix(systemPrefix),
    },
    authorities: authorities.map(hex),
    generalPrefixes: generalPrefixes.map(formatPrefix),
    ...(relayKeys === undefined ? {} : { relayKeys: relayKeys.map(hex) }),
    coordinators: coordinators.map(({ name, publicKey, endpoints }) => ({
      ...{ name, publicKey: hex(publicKey) },
      endpoints: endpoints.map(({ address, port }) => ({ address, port })),
    })),
  };
}

/** Undefined for a record that this program did not write. */
export function readLogin(value: JsonValue): LoginGrant | undefined {
  const record = objectOf(value) ?? {};
  const credential = octets(record['credential']);
  const systemPrefix = parsePrefix(text(record['systemPrefix']) ?? '');
  const notAfter = number(record['notAfter']);
  const renewAt = number(record['renewAt']);
  const zone = text(record['zone']);
  const authorities = allOf(record['authorities'], octets);
  const coordinators = allOf(record['coordinators'], coordinatorOf);
  const generalPrefixes = allOf(record['generalPrefixes'], (one) => parsePrefix(text(one) ?? ''));
  const relayKeys = allOf(record['relayKeys'], octets);
  if (credential === undefined || systemPrefix === undefined) return undefined;
  if (notAfter === undefined || renewAt === undefined || zone === undefined) return undefined;
  if (authorities === undefined || coordinators === undefined) return undefined;
  if (generalPrefixes === undefined) return undefined;
  const renewalToken = text(record['renewalToken']) ?? '';
  const times = { notAfter: wall(notAfter), renewAt: wall(renewAt) };
  const prefixes = { systemPrefix, generalPrefixes };
  const trusted = { authorities, coordinators, relayKeys };
  return { credential, ...prefixes, ...times, zone, ...trusted, renewalToken };
}

function coordinatorOf(value: JsonValue): CoordinatorDescription | undefined {
  const record = objectOf(value) ?? {};
  const name = text(record['name']);
  const publicKey = octets(record['publicKey']);
  const endpoints = allOf(record['endpoints'], endpointOf);
  if (name === undefined || publicKey?.length !== 32 || endpoints === undefined) return undefined;
  return { name, publicKey, endpoints };
}

function endpointOf(
  value: JsonValue,
): { readonly address: IpAddress; readonly port: number } | undefined {
  const record = objectOf(value) ?? {};
  const address = parseIpAddress(text(record['address']) ?? '');
  const port = number(record['port']);
  return address === undefined || port === undefined ? undefined : { address, port };
}

function allOf<T>(
  value: JsonValue | undefined,
  read: (one: JsonValue) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const all = value.map(read);
  return all.every((one) => one !== undefined) ? all : undefined;
}

function objectOf(value: JsonValue | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !isList(value) ? value : undefined;
}

function isList(value: JsonObject | readonly JsonValue[]): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function octets(value: JsonValue | undefined): Uint8Array | undefined {
  return typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value) ? fromHex(value) : undefined;
}
