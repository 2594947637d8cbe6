/**
 * What a mobile node remembers of one home across restarts.
 *
 * RFC 6275 §11.7.1  last sequence number;  RFC 4285 §6 clock offset, last timestamp
 * RFC 5555 §4.4.2   IPv4 home address that the home agent gave
 */
import { type IpAddress, type Ipv4Address, isIpv4, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';

export const MOBILE_NODE_TABLE = 'mobile-node';

export interface StoredRegistrationRecord {
  readonly sequence: number;
  /** Milliseconds by which the home agent's clock is ahead of ours. */
  readonly clockOffsetMs: number;
  /** Timestamp of the last accepted Binding Update. */
  readonly lastTimestamp: bigint;
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly homeAgentAddresses: readonly IpAddress[];
  /** Wall clock, until when the home agent may hold a binding; 0 = none. */
  readonly boundUntilWallMs: number;
}

export function storedRegistrationToJson(record: StoredRegistrationRecord): JsonObject {
  return {
    sequence: record.sequence,
    clockOffsetMs: record.clockOffsetMs,
    lastTimestamp: record.lastTimestamp.toString(16),
    ipv4HomeAddress: record.ipv4HomeAddress ?? null,
    homeAgentAddresses: record.homeAgentAddresses,
    boundUntilWallMs: record.boundUntilWallMs,
  };
}

/**
 * Reads a record; members that are missing or wrong (an older version's) take their neutral value.
 */
export function storedRegistrationFromJson(value: JsonValue): StoredRegistrationRecord | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, JsonValue | undefined>(Object.entries(value));
  const number = (name: string): number => {
    const field = fields.get(name);
    return typeof field === 'number' && Number.isFinite(field) ? field : 0;
  };
  const timestamp = fields.get('lastTimestamp');
  const ipv4 = addressOf(fields.get('ipv4HomeAddress'));
  const agents = fields.get('homeAgentAddresses');
  return {
    sequence: number('sequence') & 0xffff,
    clockOffsetMs: number('clockOffsetMs'),
    lastTimestamp:
      typeof timestamp === 'string' && /^[0-9a-f]{1,16}$/.test(timestamp)
        ? BigInt(`0x${timestamp}`)
        : 0n,
    ipv4HomeAddress: ipv4 !== undefined && isIpv4(ipv4) ? ipv4 : undefined,
    homeAgentAddresses: isList(agents)
      ? agents.map(addressOf).filter((address) => address !== undefined)
      : [],
    boundUntilWallMs: number('boundUntilWallMs'),
  };
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function addressOf(value: JsonValue | undefined): IpAddress | undefined {
  return typeof value === 'string' ? parseIpAddress(value) : undefined;
}
