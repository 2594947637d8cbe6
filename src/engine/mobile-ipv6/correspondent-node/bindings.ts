/**
 * The owner of all correspondent bindings: the Binding Cache, its timers and what outlives a
 * binding.
 *
 * RFC 6275 §9.1    the cache;  §9.5.2-3 binding and deletion;  §9.5.5 refresh requests;  §9.6
 *                  replacement
 * RFC 6275 §5.2.8  what is kept against replays counts as an entry, so that strangers cannot make
 *                  memory grow; no nonce is ever revoked early
 * Own choice: one binding for each home address, at one address of this node.
 */
import { type Ipv6Address, prefixContains } from '#base/ip.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import { BindingCache, NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import {
  type AcceptedUpdate,
  type Binding,
  CorrespondentBinding,
  FormerBinding,
  type ReplayNumbers,
} from './binding.ts';
import type { CorrespondentNodeConfiguration } from './configuration.ts';
import { PERSISTENT_ERRORS, RECENT_USE_MS, REFRESH_REQUEST_FRACTIONS } from './constants.ts';
import { setDesiredForBinding, withdrawDesired } from './desired-state.ts';
import { HomeNetworkShares } from './home-network-shares.ts';
import type { CorrespondentNodeCounters } from './reasons.ts';

type RemovalReason =
  | 'binding-deleted'
  | 'binding-revoked'
  | 'binding-expired'
  | 'binding-replaced'
  | 'binding-unreachable';

const HIGHEST_TUNNEL_ID = 0x7fffffff;
/** The search for a binding to replace ends after so many. */
const CANDIDATES = 16;

export class Bindings {
  readonly #counters: CorrespondentNodeCounters;
  /** The one used last comes last. */
  readonly #cache = new BindingCache<CorrespondentBinding>();
  readonly #timers = new TimerHeap<CorrespondentBinding>();
  readonly #byTunnel = new Map<number, CorrespondentBinding>();
  #lastTunnelId = 0;
  readonly #former = new Map<Ipv6Address, FormerBinding>();
  readonly #formerTimers = new TimerHeap<FormerBinding>();
  readonly #shares = new HomeNetworkShares();

  constructor(counters: CorrespondentNodeCounters) {
    this.#counters = counters;
  }

  get size(): number {
    return this.#cache.size;
  }

  /** Bindings, and what is kept of former ones. */
  get entries(): number {
    return this.#cache.size + this.#former.size;
  }

  values(): Iterable<Binding> {
    return this.#cache.values();
  }

  find(homeAddress: Ipv6Address): Binding | undefined {
    return this.#find(homeAddress);
  }

  #find(homeAddress: Ipv6Address): CorrespondentBinding | undefined {
    return this.#cache.get({ homeAddress, bid: NO_BID });
  }

  /** What a Binding Update of a former binding of the home address would not exceed. */
  formerNumbers(now: Monotonic, homeAddress: Ipv6Address): ReplayNumbers | undefined {
    const former = this.#former.get(homeAddress);
    return former !== undefined && now < former.replayableUntil ? former : undefined;
  }

  /** Why there is no room for a binding of this home address; undefined: there is. */
  refusalOf(
    now: Monotonic,
    homeAddress: Ipv6Address,
    configuration: CorrespondentNodeConfiguration,
  ): 'cache-full' | 'home-network-limited' | undefined {
    if (this.#find(homeAddress) !== undefined) return undefined;
    if (!this.#hasShare(homeAddress, configuration)) return 'home-network-limited';
    const isFull = this.entries >= configuration.maximumBindings;
    return isFull && this.#replaceable(now) === undefined ? 'cache-full' : undefined;
  }

  #hasShare(
    homeAddress: Ipv6Address,
    { maximumBindings: maximum, knownHomePrefixes }: CorrespondentNodeConfiguration,
  ): boolean {
    if (knownHomePrefixes.some((prefix) => prefixContains(prefix, homeAddress))) return true;
    return this.#shares.allows(homeAddress, { maximum, used: this.entries });
  }

  /**
   * A binding that may be dropped: the one unused for the longest time of those whose nonces are
   * expired, so that nothing has to be kept of it.
   */
  #replaceable(now: Monotonic): CorrespondentBinding | undefined {
    let tried = 0;
    for (const binding of this.#cache.values()) {
      if (binding.replayableUntil <= now) return binding;
      if (++tried === CANDIDATES) return undefined;
    }
    return undefined;
  }

  /** Creates or updates a binding; `refusalOf` has found room for it. */
  accept(step: Step, update: AcceptedUpdate, configuration: CorrespondentNodeConfiguration): void {
    const known = this.#find(update.homeAddress);
    const moved = known !== undefined && known.careOfAddress !== update.careOfAddress;
    const binding = known ?? this.#create(step, update, configuration.maximumBindings);
    if (known !== undefined) {
      known.update(update);
      this.#counters.count(moved ? 'binding-moved' : 'binding-refreshed');
    }
    if (known === undefined || moved) setDesiredForBinding(step, binding, configuration);
    binding.expiresAt = after(step.now, binding.lifetimeMs);
    binding.refreshRequests = 0;
    this.#moveToEnd(binding);
    this.#arm(binding);
  }

  #create(step: Step, update: AcceptedUpdate, maximum: number): CorrespondentBinding {
    const victim = this.entries < maximum ? undefined : this.#replaceable(step.now);
    if (victim !== undefined) this.#remove(step, victim, 'binding-replaced');
    const binding = new CorrespondentBinding(update, this.#freeTunnelId());
    this.#cache.set(binding);
    this.#byTunnel.set(binding.tunnelId, binding);
    this.#shares.add(binding.homeAddress);
    this.#counters.count('binding-created');
    return binding;
  }

  #moveToEnd(binding: CorrespondentBinding): void {
    this.#cache.delete(binding);
    this.#cache.set(binding);
  }

  #freeTunnelId(): number {
    do this.#lastTunnelId = (this.#lastTunnelId % HIGHEST_TUNNEL_ID) + 1;
    while (this.#byTunnel.has(this.#lastTunnelId));
    return this.#lastTunnelId;
  }

  /** Packets were sent through the tunnel of a binding. */
  noteUse(now: Monotonic, tunnelId: number): void {
    const binding = this.#byTunnel.get(tunnelId);
    if (binding === undefined) return;
    binding.usedAt = now;
    this.#moveToEnd(binding);
  }

  /**
   * Deletes the binding of a home address. None of its Binding Updates can be replayed, and neither
   * can this one as long as there is room to remember it.
   */
  delete(
    step: Step,
    homeAddress: Ipv6Address,
    numbers: ReplayNumbers,
    configuration: CorrespondentNodeConfiguration,
  ): void {
    const binding = this.#find(homeAddress);
    const isKnown = binding !== undefined || this.#former.has(homeAddress);
    if (binding === undefined) this.#counters.count('deletion-without-binding');
    else this.#remove(step, binding, 'binding-deleted');
    const hasRoom =
      this.entries < configuration.maximumBindings && this.#hasShare(homeAddress, configuration);
    if (isKnown || hasRoom) this.#remember(step.now, homeAddress, numbers);
  }

  /** A packet to the care-of address of a binding cannot be delivered (§9.3.4). */
  noteError(step: Step, homeAddress: Ipv6Address, careOfAddress: Ipv6Address): void {
    const binding = this.#find(homeAddress);
    if (binding?.careOfAddress !== careOfAddress) return;
    const { errors } = binding;
    const { count, durationMs, pauseMs } = PERSISTENT_ERRORS;
    const { now } = step;
    const row =
      errors === undefined || now - errors.lastAt > pauseMs
        ? { count: 1, firstAt: now, lastAt: now }
        : { count: errors.count + 1, firstAt: errors.firstAt, lastAt: now };
    binding.errors = row;
    if (row.count >= count && now - row.firstAt >= durationMs)
      this.#remove(step, binding, 'binding-unreachable');
  }

  revoke(step: Step, homeAddress: Ipv6Address): void {
    const binding = this.#find(homeAddress);
    if (binding !== undefined) this.#remove(step, binding, 'binding-revoked');
  }

  #remove(step: Step, binding: CorrespondentBinding, reason: RemovalReason): void {
    this.#cache.delete(binding);
    this.#byTunnel.delete(binding.tunnelId);
    this.#timers.remove(binding);
    this.#shares.remove(binding.homeAddress);
    this.#counters.count(reason);
    withdrawDesired(step, binding.homeAddress);
    this.#remember(step.now, binding.homeAddress, binding);
  }

  /** Together with what is kept of an earlier binding. */
  #remember(now: Monotonic, homeAddress: Ipv6Address, numbers: ReplayNumbers): void {
    const before = this.#former.get(homeAddress);
    if (before !== undefined) this.#forget(before);
    const former = new FormerBinding(homeAddress, merged(before, numbers));
    if (former.replayableUntil <= now) return;
    this.#former.set(homeAddress, former);
    this.#formerTimers.set(former, former.replayableUntil);
    this.#shares.add(homeAddress);
  }

  #forget(former: FormerBinding): void {
    this.#former.delete(former.homeAddress);
    this.#formerTimers.remove(former);
    this.#shares.remove(former.homeAddress);
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#formerTimers.deadline());
  }

  runTimers(step: Step): void {
    for (;;) {
      const binding = this.#timers.takeDue(step.now);
      if (binding === undefined) break;
      if (binding.expiresAt <= step.now) {
        this.#remove(step, binding, 'binding-expired');
        continue;
      }
      if (isInUse(step.now, binding)) this.#requestRefresh(step, binding);
      binding.refreshRequests++;
      this.#arm(binding);
    }
    for (;;) {
      const former = this.#formerTimers.takeDue(step.now);
      if (former === undefined) return;
      this.#forget(former);
    }
  }

  /** The next Binding Refresh Request, then the end of the lifetime. */
  #arm(binding: CorrespondentBinding): void {
    const fraction = REFRESH_REQUEST_FRACTIONS[binding.refreshRequests] ?? 0;
    this.#timers.set(binding, after(binding.expiresAt, -binding.lifetimeMs * fraction));
  }

  /** To the home address, without type 2 routing header (RFC 6275 §9.5.5). */
  #requestRefresh({ out }: Step, { homeAddress, correspondentAddress }: Binding): void {
    const payload = encodeMobility(
      { type: 'binding-refresh-request', options: [] },
      correspondentAddress,
      homeAddress,
    );
    const packet = mobilityPacket(correspondentAddress, homeAddress, undefined, payload);
    out.push({ kind: 'send', path: { kind: 'ipv6' }, packet });
    this.#counters.count('refresh-requested');
  }
}

function isInUse(now: Monotonic, { usedAt }: Binding): boolean {
  return usedAt !== undefined && now - usedAt <= RECENT_USE_MS;
}

/** The stricter of both, number by number. */
function merged(before: ReplayNumbers | undefined, numbers: ReplayNumbers): ReplayNumbers {
  if (before === undefined) return numbers;
  const newest = before.homeNonceSerial > numbers.homeNonceSerial ? before : numbers;
  const isHigher = sequenceGreater(numbers.sequence, before.sequence);
  return {
    sequence: isHigher ? numbers.sequence : before.sequence,
    homeNonceSerial: newest.homeNonceSerial,
    replayableUntil: newest.replayableUntil,
  };
}
