/**
 * What one home registration must not forget, and the numbers that come from it.
 *
 * RFC 6275 §11.7.1  sequence numbers;  RFC 4285 §6 timestamps: each greater than any accepted
 *                   before, near the home agent's clock
 */
import { type IpAddress, type Ipv4Address, UNSPECIFIED_V4 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Wall, wall } from '#base/time.ts';
import { ntpTimestamp, timestampLater, wallOfNtp } from '#crypto/replay-timestamp.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import { nextSequence } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  MOBILE_NODE_TABLE,
  storedRegistrationFromJson,
  storedRegistrationToJson,
} from './stored-registration-record.ts';

/** Left out after a restart, in case the last record did not reach the disk. */
const RESTART_JUMP = 16;

export class StoredRegistration {
  readonly #home: HomeConfiguration;
  readonly #random: RandomBytes;
  #sequence: number;
  #clockOffsetMs = 0;
  #acceptedTimestamp = 0n;
  #sentTimestamp = 0n;
  #ipv4HomeAddress: Ipv4Address | undefined;
  #boundUntilWallMs = 0;

  constructor(home: HomeConfiguration, random: RandomBytes) {
    this.#home = home;
    this.#random = random;
    const [high = 0, low = 0] = random(2);
    this.#sequence = (high << 8) | low;
    const { ipv4HomeAddress } = home;
    this.#ipv4HomeAddress =
      ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic' ? undefined : ipv4HomeAddress;
  }

  /** Takes a stored record; gives the home agent addresses of the earlier run. */
  restore(value: JsonValue): readonly IpAddress[] {
    const record = storedRegistrationFromJson(value);
    if (record === undefined) return [];
    this.#sequence = (record.sequence + RESTART_JUMP) & 0xffff;
    this.#clockOffsetMs = record.clockOffsetMs;
    this.#acceptedTimestamp = record.lastTimestamp;
    this.#sentTimestamp = record.lastTimestamp;
    this.#boundUntilWallMs = record.boundUntilWallMs;
    if (this.#home.ipv4HomeAddress === 'dynamic') this.#ipv4HomeAddress = record.ipv4HomeAddress;
    return record.homeAgentAddresses;
  }

  persist(out: Output[], homeAgentAddresses: readonly IpAddress[]): void {
    const value = storedRegistrationToJson({
      sequence: this.#sequence,
      clockOffsetMs: this.#clockOffsetMs,
      lastTimestamp: this.#acceptedTimestamp,
      ipv4HomeAddress: this.#ipv4HomeAddress,
      homeAgentAddresses,
      boundUntilWallMs: this.#boundUntilWallMs,
    });
    out.push({ kind: 'persist', table: MOBILE_NODE_TABLE, key: this.#home.name, value });
  }

  get sequence(): number {
    return this.#sequence;
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /** The IPv4 home address that is ours; undefined until a dynamic one was given. */
  get ipv4HomeAddress(): Ipv4Address | undefined {
    return this.#ipv4HomeAddress;
  }

  /** The IPv4 home address to ask for; undefined when none is wanted. */
  get requestedIpv4HomeAddress(): Ipv4Address | undefined {
    return this.#home.ipv4HomeAddress === 'none'
      ? undefined
      : (this.#ipv4HomeAddress ?? UNSPECIFIED_V4);
  }

  setIpv4HomeAddress(address: Ipv4Address): void {
    this.#ipv4HomeAddress = address;
  }

  /** A remembered dynamic address is no longer ours; says whether there was one. */
  forgetIpv4HomeAddress(): boolean {
    if (this.#home.ipv4HomeAddress !== 'dynamic' || this.#ipv4HomeAddress === undefined)
      return false;
    this.#ipv4HomeAddress = undefined;
    return true;
  }

  advanceSequence(): number {
    this.#sequence = nextSequence(this.#sequence);
    return this.#sequence;
  }

  /** Status 135 tells the last number that the home agent accepted. */
  resynchronizeSequence(last: number): void {
    this.#sequence = last;
  }

  /** A timestamp for a Binding Update that leaves now. */
  advanceTimestamp(now: Wall): bigint {
    const [a = 0, b = 0] = this.#random(2);
    let timestamp = ntpTimestamp(wall(now + this.#clockOffsetMs), ((a << 8) | b) / 65536);
    // Zero is no timestamp; half of all eras lie before it.
    const sent = this.#sentTimestamp !== 0n;
    if (sent && !timestampLater(timestamp, this.#sentTimestamp))
      timestamp = BigInt.asUintN(64, this.#sentTimestamp + 1n);
    this.#sentTimestamp = timestamp;
    return timestamp;
  }

  /**
   * Status 144 told the home agent's time, to a second, when it got what left at `sentAt`. The
   * timestamp that left does not count: it may be ahead of our clock, only to be newer than the
   * last.
   */
  resynchronizeClock(returned: bigint, sentAt: Wall): void {
    this.#clockOffsetMs = Math.round((wallOfNtp(returned, sentAt) - sentAt) / 1000) * 1000;
    this.#sentTimestamp = this.#acceptedTimestamp;
  }

  recordAccepted(timestamp: bigint | undefined, boundUntil: Wall): void {
    this.#boundUntilWallMs = boundUntil;
    if (timestamp === undefined) return;
    if (this.#acceptedTimestamp === 0n || timestampLater(timestamp, this.#acceptedTimestamp)) {
      this.#acceptedTimestamp = timestamp;
    }
  }

  /** A Binding Update left: its binding may exist from now on whether we hear of it or not. */
  mayBeBoundUntil(until: Wall): void {
    this.#boundUntilWallMs = Math.max(this.#boundUntilWallMs, until);
  }

  /**
   * The wall clock was set by `jumpMs`, or the machine slept so long: what counts is the time that
   * passes from now on.
   */
  adjustForClockJump(jumpMs: number): void {
    if (this.#boundUntilWallMs > 0) this.#boundUntilWallMs += jumpMs;
  }

  clearBound(): void {
    this.#boundUntilWallMs = 0;
  }

  mayBeBound(now: Wall): boolean {
    return this.#boundUntilWallMs > now;
  }
}
