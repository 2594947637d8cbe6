/**
 * The state of one home that survives restarts, and the numbers derived from it.
 *
 * RFC 6275 §11.7.1  sequence numbers
 * RFC 4285 §6       timestamps: each greater than any accepted before, near the home agent's clock
 * RFC 5555 §4.4.2   the IPv4 home address that the home agent assigned
 */
import {
  type IpAddress,
  type Ipv4Address,
  isIpv4,
  parseIpAddress,
  UNSPECIFIED_V4,
} from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Wall, wall } from '#base/time.ts';
import { ntpTimestamp, timestampLater, wallOfNtp } from '#crypto/replay-timestamp.ts';
import type { DesiredNameServers } from '#engine/contract/desired-state.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import { nextSequence } from '#engine/mobile-ipv6/common/sequence-number.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';

export const MOBILE_NODE_TABLE = 'mobile-node';

/** Questions about a known path change no more than the sequence number: so many are not stored. */
const UNSTORED_SEQUENCES = 1024;
/**
 * Sequence numbers skipped after a restart: those that were not stored, and some more in case the
 * last record did not reach the disk.
 */
const RESTART_JUMP = UNSTORED_SEQUENCES + 16;
/** A binding that ends sooner, in units of 4 seconds, is renewed rather than asked about. */
const MIN_REMAINING_UNITS = 10;

/** One second of an NTP timestamp. */
const NTP_SECOND = 1n << 32n;

/** The part of a home's configuration that the record depends on. */
interface StoredHome {
  readonly name: string;
  readonly ipv4HomeAddress: 'none' | 'dynamic' | Ipv4Address;
  readonly registrationKey: { readonly spi: number } | undefined;
}

export class StoredRegistration {
  readonly #home: StoredHome;
  readonly #random: RandomBytes;
  readonly #lastOfKey: Map<number, bigint>;
  #sequence: number;
  #clockOffsetMs = 0;
  #acceptedTimestamp = 0n;
  #sentTimestamp = 0n;
  #ipv4HomeAddress: Ipv4Address | undefined;
  #boundUntilWallMs = 0;
  #nameServers: DesiredNameServers | undefined;
  #persisted: StoredRecord | undefined;

  /** `lastOfKey`: the last timestamp sent under each SPI, shared by the homes of the node. */
  constructor(home: StoredHome, random: RandomBytes, lastOfKey: Map<number, bigint>) {
    this.#home = home;
    this.#lastOfKey = lastOfKey;
    this.#random = random;
    const [high = 0, low = 0] = random(2);
    this.#sequence = (high << 8) | low;
    const { ipv4HomeAddress } = home;
    this.#ipv4HomeAddress =
      ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic' ? undefined : ipv4HomeAddress;
  }

  /** Takes a stored record; gives the home agent addresses of the earlier run. */
  restore(value: JsonValue): readonly IpAddress[] {
    const record = recordFromJson(value);
    if (record === undefined) return [];
    this.#sequence = (record.sequence + RESTART_JUMP) & 0xffff;
    this.#clockOffsetMs = record.clockOffsetMs;
    this.#acceptedTimestamp = record.lastTimestamp;
    this.#sentTimestamp = record.lastTimestamp;
    this.#boundUntilWallMs = record.boundUntilWallMs;
    this.#nameServers = record.nameServers;
    if (this.#home.ipv4HomeAddress === 'dynamic') this.#ipv4HomeAddress = record.ipv4HomeAddress;
    return record.homeAgentAddresses;
  }

  /** After a question about a known path, only if more than the sequence number changed. */
  persist(
    { out }: Step,
    homeAgentAddresses: readonly IpAddress[],
    question: boolean = false,
  ): void {
    const record: StoredRecord = {
      sequence: this.#sequence,
      clockOffsetMs: this.#clockOffsetMs,
      lastTimestamp: this.#acceptedTimestamp,
      ipv4HomeAddress: this.#ipv4HomeAddress,
      homeAgentAddresses,
      boundUntilWallMs: this.#boundUntilWallMs,
      nameServers: this.#nameServers,
    };
    if (question && this.#persisted !== undefined && isAsGood(this.#persisted, record)) return;
    this.#persisted = record;
    const value = recordToJson(record);
    out.push({ kind: 'persist', table: MOBILE_NODE_TABLE, key: this.#home.name, value });
  }

  // --- name servers ---

  /** Those of the last acceptance. */
  get nameServers(): DesiredNameServers | undefined {
    return this.#nameServers;
  }

  setNameServers(nameServers: DesiredNameServers | undefined): void {
    this.#nameServers = nameServers;
  }

  // --- sequence number and timestamp ---

  get sequence(): number {
    return this.#sequence;
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  advanceSequence(): number {
    this.#sequence = nextSequence(this.#sequence);
    return this.#sequence;
  }

  /** Status 135 carries the last sequence number that the home agent accepted. */
  resynchronizeSequence(last: number): void {
    this.#sequence = last;
  }

  /** The timestamp of a Binding Update that is sent now. */
  advanceTimestamp(now: Wall): bigint {
    const [a = 0, b = 0] = this.#random(2);
    let timestamp = ntpTimestamp(wall(now + this.#clockOffsetMs), ((a << 8) | b) / 65536);
    // Zero is no timestamp: in comparisons modulo 2^64 it is later than half of all timestamps.
    const sent = this.#sentTimestamp !== 0n;
    if (sent && !timestampLater(timestamp, this.#sentTimestamp))
      timestamp = BigInt.asUintN(64, this.#sentTimestamp + 1n);
    timestamp = this.#afterOtherHomes(timestamp);
    this.#sentTimestamp = timestamp;
    return timestamp;
  }

  /**
   * A home agent judges the timestamps of a security association, which other homes of the node may
   * use in the same moment. A larger difference comes from another home agent's clock.
   */
  #afterOtherHomes(timestamp: bigint): bigint {
    const spi = this.#home.registrationKey?.spi;
    if (spi === undefined) return timestamp;
    const last = this.#lastOfKey.get(spi);
    const behind = last === undefined ? -1n : BigInt.asIntN(64, last - timestamp);
    const next =
      last !== undefined && behind >= 0n && behind < NTP_SECOND
        ? BigInt.asUintN(64, last + 1n)
        : timestamp;
    this.#lastOfKey.set(spi, next);
    return next;
  }

  /**
   * Status 144 carries the time, to a second, at which the home agent received the Binding Update
   * sent at `sentAt`. That message's own timestamp does not count: it may be ahead of this node's
   * clock, only to be later than its predecessor. Returns whose clock is known to be wrong, because
   * it is earlier than the last accepted registration.
   */
  resynchronizeClock(returned: bigint, sentAt: Wall): 'own' | 'home-agent' | 'unknown' {
    this.#clockOffsetMs = Math.round((wallOfNtp(returned, sentAt) - sentAt) / 1000) * 1000;
    // A home agent that is behind what it accepted before has lost its store together with its
    // time: a timestamp later than that would never be close to its clock.
    const accepted = this.#acceptedTimestamp;
    const known = accepted !== 0n;
    const homeAgentBehind = known && timestampLater(accepted, returned);
    const ownBehind = known && timestampLater(accepted, ntpTimestamp(sentAt));
    if (homeAgentBehind) this.#acceptedTimestamp = 0n;
    this.#sentTimestamp = this.#acceptedTimestamp;
    if (homeAgentBehind) return 'home-agent';
    return ownBehind ? 'own' : 'unknown';
  }

  // --- IPv4 home address ---

  /** Undefined until the home agent assigned a dynamic one. */
  get ipv4HomeAddress(): Ipv4Address | undefined {
    return this.#ipv4HomeAddress;
  }

  /** The address to request; undefined if this home has no IPv4 home address. */
  get requestedIpv4HomeAddress(): Ipv4Address | undefined {
    return this.#home.ipv4HomeAddress === 'none'
      ? undefined
      : (this.#ipv4HomeAddress ?? UNSPECIFIED_V4);
  }

  setIpv4HomeAddress(address: Ipv4Address): void {
    this.#ipv4HomeAddress = address;
  }

  /** The assigned dynamic address is no longer valid; says whether there was one. */
  forgetIpv4HomeAddress(): boolean {
    if (this.#home.ipv4HomeAddress !== 'dynamic' || this.#ipv4HomeAddress === undefined)
      return false;
    this.#ipv4HomeAddress = undefined;
    return true;
  }

  // --- the binding that the home agent may hold ---

  /** `boundUntil` is undefined for a question, which leaves the end of the binding as it is. */
  recordAccepted(timestamp: bigint | undefined, boundUntil: Wall | undefined): void {
    if (boundUntil !== undefined) this.#boundUntilWallMs = boundUntil;
    if (timestamp === undefined) return;
    if (this.#acceptedTimestamp === 0n || timestampLater(timestamp, this.#acceptedTimestamp)) {
      this.#acceptedTimestamp = timestamp;
    }
  }

  /** A Binding Update is sent: its binding may exist even if no acknowledgement arrives. */
  mayBeBoundUntil(until: Wall): void {
    this.#boundUntilWallMs = Math.max(this.#boundUntilWallMs, until);
  }

  /** The wall clock was set by `jumpMs`, or the machine was suspended for that long. */
  adjustForClockJump(jumpMs: number): void {
    if (this.#boundUntilWallMs > 0) this.#boundUntilWallMs += jumpMs;
  }

  clearBound(): void {
    this.#boundUntilWallMs = 0;
  }

  mayBeBound(now: Wall): boolean {
    return this.#boundUntilWallMs > now;
  }

  /** What remains of the binding, in units of 4 seconds; undefined if it has to be renewed. */
  remainingUnits(now: Wall): number | undefined {
    const units = Math.floor((this.#boundUntilWallMs - now) / 1000 / LIFETIME_UNIT_SECONDS);
    return units < MIN_REMAINING_UNITS ? undefined : units;
  }
}

// --- the record in the store ---

interface StoredRecord {
  readonly sequence: number;
  /** Milliseconds by which the home agent's clock is ahead of this node's. */
  readonly clockOffsetMs: number;
  /** Timestamp of the last accepted Binding Update. */
  readonly lastTimestamp: bigint;
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly homeAgentAddresses: readonly IpAddress[];
  /** Wall clock, until when the home agent may hold a binding; 0 = none. */
  readonly boundUntilWallMs: number;
  readonly nameServers: DesiredNameServers | undefined;
}

/** Whether a restart from the former record would do as well. */
function isAsGood(former: StoredRecord, record: StoredRecord): boolean {
  const ahead = (record.sequence - former.sequence) & 0xffff;
  return (
    ahead < UNSTORED_SEQUENCES &&
    record.clockOffsetMs === former.clockOffsetMs &&
    record.ipv4HomeAddress === former.ipv4HomeAddress &&
    record.boundUntilWallMs === former.boundUntilWallMs &&
    JSON.stringify(record.nameServers) === JSON.stringify(former.nameServers) &&
    record.homeAgentAddresses.join() === former.homeAgentAddresses.join()
  );
}

function recordToJson(record: StoredRecord): JsonObject {
  return {
    sequence: record.sequence,
    clockOffsetMs: record.clockOffsetMs,
    lastTimestamp: record.lastTimestamp.toString(16),
    ipv4HomeAddress: record.ipv4HomeAddress ?? null,
    homeAgentAddresses: record.homeAgentAddresses,
    boundUntilWallMs: record.boundUntilWallMs,
    ...(record.nameServers === undefined ? {} : { nameServers: { ...record.nameServers } }),
  };
}

/** Members that are missing or invalid, such as those of an older version, become neutral. */
function recordFromJson(value: JsonValue): StoredRecord | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, JsonValue | undefined>(Object.entries(value));
  const ipv4 = addressOf(fields.get('ipv4HomeAddress'));
  const agents = fields.get('homeAgentAddresses');
  return {
    sequence: numberOf(fields.get('sequence')) & 0xffff,
    clockOffsetMs: numberOf(fields.get('clockOffsetMs')),
    lastTimestamp: timestampOf(fields.get('lastTimestamp')),
    ipv4HomeAddress: ipv4 !== undefined && isIpv4(ipv4) ? ipv4 : undefined,
    homeAgentAddresses: isList(agents)
      ? agents.map(addressOf).filter((address) => address !== undefined)
      : [],
    boundUntilWallMs: numberOf(fields.get('boundUntilWallMs')),
    nameServers: nameServersFromJson(fields.get('nameServers')),
  };
}

function numberOf(field: JsonValue | undefined): number {
  return typeof field === 'number' && Number.isFinite(field) ? field : 0;
}

function timestampOf(field: JsonValue | undefined): bigint {
  return typeof field === 'string' && /^[0-9a-f]{1,16}$/.test(field) ? BigInt(`0x${field}`) : 0n;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function addressOf(value: JsonValue | undefined): IpAddress | undefined {
  return typeof value === 'string' ? parseIpAddress(value) : undefined;
}

/** Undefined if the record has none. */
function nameServersFromJson(value: JsonValue | undefined): DesiredNameServers | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, JsonValue | undefined>(Object.entries(value));
  const servers = textsOf(fields.get('servers'))
    .map(parseIpAddress)
    .filter((address) => address !== undefined);
  return servers.length === 0
    ? undefined
    : { servers, searchDomains: textsOf(fields.get('searchDomains')) };
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((one: JsonValue) => typeof one === 'string') : [];
}
