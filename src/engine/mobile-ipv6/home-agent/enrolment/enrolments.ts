/**
 * The owner of all enrolments: adds them, spends their secrets, revokes them, and keeps them in the
 * store.
 *
 * No RFC: docs/reference/enrolment.md §3
 *
 * Decisions are returned; the home agent applies those that change who may register.
 */
import { equalBytes } from '#base/bytes.ts';
import type { Prefix } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { equalSecrets, sha256 } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import { type EnrolmentRequest, SECRET_OCTETS } from '#wire/ntmobile/enrolment-options.ts';
import {
  type Enrolment,
  enrolled,
  type Grants,
  parseStoredEnrolment,
  storedEnrolment,
} from './enrolment.ts';
import { TakenAddresses } from './taken-addresses.ts';

/** Name of the table; keys are names of nodes. */
export const ENROLMENT_TABLE = 'enrolment';
/** How long an unused enrolment is listed after its expiry. */
const KEPT_EXPIRED_MS = 7 * 86_400_000;
const LABEL = new TextEncoder().encode('sojourn enrolment secret\0');

/** What the operator asks for; what is absent is chosen. */
interface WantedGrants {
  readonly homeAddress?: Grants['homeAddress'] | undefined;
  readonly ipv4HomeAddress?: Grants['ipv4HomeAddress'] | undefined;
  readonly mobileNetworkPrefixes: readonly Prefix[];
  readonly mobileRouter: boolean;
  readonly group?: string | undefined;
}

/** Why a request of a node is refused. */
export type EnrolmentRefusal = 'unknown' | 'expired' | 'used' | 'key-in-use' | 'conflict';

type EnrolmentDecision =
  | {
      readonly kind: 'enrolled';
      readonly enrolment: Enrolment;
      readonly node: AuthorizedMobileNode;
    }
  /** The same node asked again, because the answer was lost. */
  | { readonly kind: 'repeated'; readonly enrolment: Enrolment }
  | { readonly kind: 'refused'; readonly reason: EnrolmentRefusal; readonly name?: string };

/** A request of a node, and what is known about it. */
interface JudgedRequest {
  readonly name: string;
  /** The secret is right. */
  readonly isGenuine: boolean;
  /** Another node of the directory has the key. */
  readonly isKeyInUse: boolean;
}

interface EnrolmentsContext {
  readonly clock: WallClock;
  readonly random: RandomBytes;
  /** Makes home addresses that are stable and not guessable. */
  readonly addressKey: Uint8Array;
  /** The configuration without enrolled nodes. */
  configuration(): HomeAgentConfiguration;
}

export class Enrolments {
  readonly #context: EnrolmentsContext;
  readonly #byName = new Map<string, Enrolment>();
  /** Names whose grants the configuration gives to others, and why. */
  readonly #conflicts = new Map<string, string>();
  /** Compared instead of a secret that does not exist, so that the time does not tell. */
  readonly #noHash: Uint8Array;

  constructor(context: EnrolmentsContext) {
    this.#context = context;
    this.#noHash = context.random(32);
  }

  get(name: string): Enrolment | undefined {
    return this.#byName.get(name);
  }

  values(): IterableIterator<Enrolment> {
    return this.#byName.values();
  }

  conflictOf(name: string): string | undefined {
    return this.#conflicts.get(name);
  }

  isExpired({ now }: Pick<Step, 'now'>, { state, expiresWallMs }: Enrolment): boolean {
    return state.phase === 'waiting' && this.#context.clock.at(now) >= expiresWallMs;
  }

  /** The nodes that may register. */
  mobileNodes(): readonly AuthorizedMobileNode[] {
    const nodes: AuthorizedMobileNode[] = [];
    for (const { name, state } of this.#byName.values())
      if (state.phase === 'enrolled' && !this.#conflicts.has(name)) nodes.push(state.mobileNode);
    return nodes;
  }

  /** A new enrolment and its secret, or the reason why there is none. */
  add(
    step: Step,
    name: string,
    wanted: WantedGrants,
    validMs: number,
  ): { readonly enrolment: Enrolment; readonly secret: Uint8Array } | string {
    this.#forgetExpired(step);
    const known = this.#byName.get(name);
    if (known !== undefined && !this.isExpired(step, known)) {
      const state = known.state.phase === 'enrolled' ? 'enrolled' : 'waiting for its node';
      return `${name} is already ${state}; to begin again: sojourn enroll revoke ${name}`;
    }
    const grants = this.#choose(step, name, wanted);
    if (typeof grants === 'string') return grants;
    this.#forgetReplaced(step, name, grants);
    const secret = this.#context.random(SECRET_OCTETS);
    const createdWallMs = this.#context.clock.at(step.now);
    const expiresWallMs = createdWallMs + validMs;
    const secretHash = sha256(LABEL, secret);
    const enrolment: Enrolment = {
      ...{ name, grants, createdWallMs, expiresWallMs, secretHash },
      state: { phase: 'waiting' },
    };
    this.#conflicts.delete(name);
    this.#store(step, enrolment);
    return { enrolment, secret };
  }

  #choose(step: Step, name: string, wanted: WantedGrants): Grants | string {
    const { addressKey, configuration } = this.#context;
    const plan = configuration();
    const others = [...this.#byName.values()].filter(
      (one) => one.name !== name && !this.isExpired(step, one),
    );
    const taken = new TakenAddresses(plan, others);
    const homeAddress = wanted.homeAddress ?? taken.freeHomeAddress(addressKey, name);
    if (homeAddress === undefined)
      return 'homePrefixes have no free address; give one with --home-address';
    const prefixes = this.#choosePrefixes(taken, plan, wanted);
    if (typeof prefixes === 'string') return prefixes;
    const grants: Grants = {
      homeAddress,
      ipv4HomeAddress: wanted.ipv4HomeAddress ?? (plan.ipv4Pool === undefined ? 'none' : 'dynamic'),
      mobileRouter: wanted.mobileRouter,
      mobileNetworkPrefixes: prefixes,
      group: wanted.group,
    };
    if (grants.ipv4HomeAddress === 'dynamic' && plan.ipv4Pool === undefined)
      return 'the configuration has no ipv4Pool; give an address with --ipv4-home-address';
    return taken.conflict(name, grants) ?? grants;
  }

  #choosePrefixes(
    taken: TakenAddresses,
    { prefixPool }: HomeAgentConfiguration,
    { mobileRouter, mobileNetworkPrefixes }: WantedGrants,
  ): readonly Prefix[] | string {
    if (!mobileRouter || mobileNetworkPrefixes.length > 0) return mobileNetworkPrefixes;
    if (prefixPool === undefined)
      return 'the configuration has no prefixPool; give a prefix with --prefix';
    const free = taken.freePrefix(prefixPool);
    return free === undefined ? 'prefixPool has no free /64; give a prefix with --prefix' : [free];
  }

  /** Whether the secret is that of the name; takes as long for names that do not exist. */
  isGenuine({ name, secret }: EnrolmentRequest): boolean {
    const enrolment = this.#byName.get(name);
    const same = equalSecrets(sha256(LABEL, secret), enrolment?.secretHash ?? this.#noHash);
    return same && enrolment !== undefined;
  }

  /** A node with this key sent the request. */
  admit(
    step: Step,
    publicKey: Uint8Array,
    { name, isGenuine, isKeyInUse }: JudgedRequest,
  ): EnrolmentDecision {
    const enrolment = this.#byName.get(name);
    if (enrolment === undefined || !isGenuine) return { kind: 'refused', reason: 'unknown' };
    const refused = (reason: EnrolmentRefusal): EnrolmentDecision => ({
      ...{ kind: 'refused', reason, name },
    });
    if (this.#conflicts.has(name)) return refused('conflict');
    const expired = this.#context.clock.at(step.now) >= enrolment.expiresWallMs;
    const { state } = enrolment;
    if (state.phase === 'enrolled') {
      if (!equalBytes(state.publicKey, publicKey)) return refused('used');
      return expired ? refused('expired') : { kind: 'repeated', enrolment };
    }
    if (expired) return refused('expired');
    if (isKeyInUse) return refused('key-in-use');
    if (this.#isGiven(enrolment)) return refused('conflict');
    const fresh = enrolled(enrolment, publicKey, this.#context.clock.at(step.now));
    const after: Enrolment = { ...enrolment, state: fresh };
    this.#store(step, after);
    return { kind: 'enrolled', enrolment: after, node: fresh.mobileNode };
  }

  /** The enrolment that ended; undefined for an unknown name. */
  revoke(step: Step, name: string): Enrolment | undefined {
    const enrolment = this.#byName.get(name);
    if (enrolment !== undefined) this.#forget(step, name);
    return enrolment;
  }

  /** Takes over a record of the store. */
  restore(step: Step, name: string, value: JsonValue): void {
    const enrolment = parseStoredEnrolment(name, value);
    if (enrolment === undefined) this.#forget(step, name);
    else this.#byName.set(name, enrolment);
  }

  /**
   * Another configuration, or the one after a restart: it wins over enrolments. Gives the names
   * that lose their grants now, and why.
   */
  compare(): readonly { readonly name: string; readonly why: string }[] {
    const taken = new TakenAddresses(this.#context.configuration());
    const lost: { readonly name: string; readonly why: string }[] = [];
    for (const { name, grants } of this.#byName.values()) {
      const why = taken.conflict(name, grants);
      const former = this.#conflicts.get(name);
      if (why === undefined) this.#conflicts.delete(name);
      else this.#conflicts.set(name, why);
      if (why !== undefined && former === undefined) lost.push({ name, why });
    }
    return lost;
  }

  #forgetExpired(step: Step): void {
    const before = this.#context.clock.at(step.now) - KEPT_EXPIRED_MS;
    for (const enrolment of this.#byName.values())
      if (enrolment.state.phase === 'waiting' && enrolment.expiresWallMs < before)
        this.#forget(step, enrolment.name);
  }

  /** Expired enrolments whose grants go to another: a clock set back must not revive them. */
  #forgetReplaced(step: Step, name: string, grants: Grants): void {
    const plan = { ...this.#context.configuration(), mobileNodes: [] };
    for (const one of this.#byName.values())
      if (this.isExpired(step, one) && new TakenAddresses(plan, [one]).conflict(name, grants))
        this.#forget(step, one.name);
  }

  /** Another node is enrolled with the same grants. */
  #isGiven({ name, grants }: Enrolment): boolean {
    const others = [...this.#byName.values()].filter(
      (one) => one.name !== name && one.state.phase === 'enrolled',
    );
    const taken = new TakenAddresses(this.#context.configuration(), others);
    return taken.conflict(name, grants) !== undefined;
  }

  #store(step: Step, enrolment: Enrolment): void {
    const { name } = enrolment;
    this.#byName.set(name, enrolment);
    const value = storedEnrolment(enrolment);
    // Durable: a power failure must not restore a token that was used.
    step.out.push({ kind: 'persist', table: ENROLMENT_TABLE, key: name, value, isDurable: true });
  }

  #forget(step: Step, name: string): void {
    this.#byName.delete(name);
    this.#conflicts.delete(name);
    const removed = { table: ENROLMENT_TABLE, key: name, value: undefined };
    step.out.push({ kind: 'persist', ...removed, isDurable: true });
  }
}
