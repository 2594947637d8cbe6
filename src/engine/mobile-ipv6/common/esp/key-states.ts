/**
 * What an end keeps for each key of its associations: in memory while the daemon runs, and in a
 * table of the store. A key that is replaced leaves the state of all other keys as it is.
 *
 * RFC 4303 §3.3.3, §3.4.3  sequence numbers and anti-replay window of one association
 *
 * The key of a record is a fingerprint, which recognises a key without storing it.
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { EspAlgorithm } from '#crypto/esp.ts';
import { sha256 } from '#crypto/primitives.ts';
import type { EspAssociation, EspEnd, EspPair } from './association.ts';

const FINGERPRINT_OCTETS = 16;

/** Of one key. */
interface KeyState {
  /** Continues behind an earlier run. */
  restore(record: JsonObject): void;
  /** What `restore` takes: covers everything that was sent or received so far. */
  record(): JsonObject;
}

/** One key of an association. */
interface KeyUse {
  readonly association: EspAssociation;
  readonly spi: number;
  /** The key of its record. */
  readonly fingerprint: string;
  /**
   * The key of the record that both directions shared in earlier versions. It is read only, and
   * only until the key has a record of its own.
   */
  readonly sharedFingerprint: string;
}

/** The directions of `pair` as `end` uses them. */
export function directionsAt(
  end: EspEnd,
  { toHomeAgent, toMobileNode }: EspPair,
): Readonly<Record<'outbound' | 'inbound', EspPair['toHomeAgent']>> {
  return end === 'mobile-node'
    ? { outbound: toHomeAgent, inbound: toMobileNode }
    : { outbound: toMobileNode, inbound: toHomeAgent };
}

export function keyUses(
  association: EspAssociation,
  end: EspEnd,
  pair: EspPair,
): Readonly<Record<'outbound' | 'inbound', KeyUse>> {
  const { algorithm } = association;
  const { toHomeAgent, toMobileNode } = pair;
  const sharedFingerprint = fingerprintOf(algorithm, toHomeAgent.key, toMobileNode.key);
  const useOf = ({ spi, key }: EspPair['toHomeAgent']): KeyUse => ({
    ...{ association, spi, sharedFingerprint },
    fingerprint: fingerprintOf(algorithm, key),
  });
  const { outbound, inbound } = directionsAt(end, pair);
  return { outbound: useOf(outbound), inbound: useOf(inbound) };
}

function fingerprintOf(algorithm: EspAlgorithm, ...keys: readonly Uint8Array[]): string {
  const text = new TextEncoder();
  const octets = keys.flatMap((key) => [text.encode(`${algorithm} `), key]);
  return hex(sha256(...octets).subarray(0, FINGERPRINT_OCTETS));
}

/** A state, and the use that it was made for. */
interface Known<S> {
  readonly use: KeyUse;
  readonly state: S;
}

/** The states of all keys of one direction. */
export class KeyStates<S extends KeyState> {
  readonly #make: (use: KeyUse) => S;
  /** Also of keys that the configuration does not have any more: they may come back. */
  readonly #known = new Map<string, Known<S>>();
  readonly #sharing = new Map<string, Known<S>>();
  readonly #records = new Map<string, JsonValue>();

  constructor(make: (use: KeyUse) => S) {
    this.#make = make;
  }

  /** A record of an earlier run. */
  restore(fingerprint: string, value: JsonValue): void {
    this.#records.set(fingerprint, value);
    const known = this.#known.get(fingerprint);
    if (known !== undefined) restoreState(known.state, value);
    const sharing = this.#sharing.get(fingerprint);
    if (sharing !== undefined && !this.#records.has(sharing.use.fingerprint))
      restoreState(sharing.state, value);
  }

  /** Another use of a known key begins behind what is recorded. */
  of(use: KeyUse): S {
    const { fingerprint, sharedFingerprint } = use;
    const former = this.#known.get(fingerprint);
    if (former !== undefined && isSame(former.use, use)) return former.state;
    const state = this.#make(use);
    const stored = this.#records.get(fingerprint) ?? this.#records.get(sharedFingerprint);
    restoreState(state, former?.state.record() ?? stored);
    this.#known.set(fingerprint, { use, state });
    this.#sharing.set(sharedFingerprint, { use, state });
    return state;
  }
}

function isSame(a: KeyUse, b: KeyUse): boolean {
  return (
    a.spi === b.spi &&
    a.association.homeAddress === b.association.homeAddress &&
    a.association.extendedSequenceNumbers === b.association.extendedSequenceNumbers
  );
}

function restoreState(state: KeyState, value: JsonValue | undefined): void {
  if (isObject(value)) state.restore(value);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A number of a record; 0 for what no program of this kind wrote. */
export function storedNumber(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
