/**
 * The owner of all home registrations: the Binding Cache with the tunnels, forwarded prefixes,
 * desired host state, stored records and timers that follow from it.
 *
 * RFC 6275 §10.3.1 registration and lifetime;  §10.3.2 de-registration;  §9.5.5 refresh request
 */
import type { IpAddress, Ipv6Address, Prefix } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import { BindingCache, type BindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import {
  desiredForBinding,
  setDesiredForBinding,
} from '#engine/mobile-ipv6/home-agent/desired-state.ts';
import { bindingFields, emit } from '#engine/mobile-ipv6/home-agent/events.ts';
import type { AddressPool } from '#engine/mobile-ipv6/home-agent/grants/address-pool.ts';
import { samePrefixes } from '#engine/mobile-ipv6/home-agent/grants/prefix-equality.ts';
import { PrefixTable } from '#engine/mobile-ipv6/home-agent/grants/prefix-table.ts';
import type { HomeLink } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { BindingLookup } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import type { PublishedKeys } from '#engine/mobile-ipv6/home-agent/sealed/published-keys.ts';
import {
  MAX_DELETE_BCE_TIMEOUT_MS,
  REFRESH_REQUEST_FRACTION,
  REFRESH_REQUEST_LEAD_MS,
} from '#engine/mobile-ipv6/home-agent/timers.ts';
import type { WallClock } from '#engine/mobile-ipv6/home-agent/wall-clock.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import {
  type Binding,
  BindingCacheEntry,
  type BindingState,
  type FormerBinding,
  type GrantedRegistration,
  type ReplayNumbers,
} from './binding.ts';
import { bindingRefreshRequest } from './binding-refresh-request.ts';
import {
  forgetBinding,
  type StoredBinding,
  storeBinding,
  storeTimestamp,
} from './binding-store.ts';
import { FormerBindings } from './former-bindings.ts';
import { sameEndpoint, type Tunnel, type TunnelEndpoint, TunnelTable } from './tunnels.ts';

const UNIT_MS = LIFETIME_UNIT_SECONDS * 1000;

/** The part of its grants that a binding may keep. */
export type Narrowing = Pick<BindingState, 'ipv4HomeAddress' | 'mobileNetworkPrefixes'>;

type RemovalReason = 'binding-deleted' | 'binding-expired' | 'binding-revoked';

/** The owners of other state that follows bindings. */
interface BindingsContext {
  readonly clock: WallClock;
  readonly counters: HomeAgentCounters;
  readonly pool: AddressPool;
  readonly homeLink: HomeLink | undefined;
  readonly sealing: Pick<PublishedKeys, 'withdraw'>;
  readonly tunnelMtu: { readonly ipip: number; readonly udp: number };
}

export class Bindings implements BindingLookup {
  readonly #cache = new BindingCache<BindingCacheEntry>();
  readonly #timers = new TimerHeap<BindingCacheEntry>();
  readonly #former = new FormerBindings();
  readonly #prefixes = new PrefixTable<Binding>();
  readonly #tunnels: TunnelTable;
  readonly #context: BindingsContext;

  constructor(context: BindingsContext) {
    this.#context = context;
    this.#tunnels = new TunnelTable(context.tunnelMtu);
  }

  get size(): number {
    return this.#cache.size;
  }

  find(key: BindingKey): Binding | undefined {
    return this.#cache.get(key);
  }

  anyOf(homeAddress: IpAddress): Binding | undefined {
    return this.#cache.anyOf(homeAddress);
  }

  /** All bindings of the home address. */
  allOf(homeAddress: Ipv6Address): readonly Binding[] {
    return this.#cache.allOf(homeAddress);
  }

  isBound(homeAddress: Ipv6Address, careOfAddress: IpAddress): boolean {
    return this.allOf(homeAddress).some((binding) => binding.careOfAddress === careOfAddress);
  }

  former(homeAddress: Ipv6Address): FormerBinding | undefined {
    return this.#former.get(homeAddress);
  }

  forwarderOf(prefix: Prefix): Binding | undefined {
    return this.#prefixes.get(prefix);
  }

  networkAround(address: IpAddress): Binding | undefined {
    return this.#prefixes.longestMatch(address);
  }

  values(): IterableIterator<Binding> {
    return this.#cache.values();
  }

  get tunnelCount(): number {
    return this.#tunnels.size;
  }

  tunnels(): IterableIterator<Tunnel> {
    return this.#tunnels.values();
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Creates or updates the binding. */
  register(step: Step, granted: GrantedRegistration): Binding {
    const existing = this.#cache.get(granted.key);
    const binding =
      existing === undefined ? this.#create(step, granted) : this.#change(step, existing, granted);
    const { pool, clock } = this.#context;
    const { homeAddress, ipv4HomeAddress } = binding;
    pool.setIdle(homeAddress, ipv4HomeAddress !== pool.assigned(homeAddress));
    this.#armLifetime(binding);
    storeBinding(step, clock, binding);
    return binding;
  }

  #create(step: Step, { key, mobileNode, endpoint, state }: GrantedRegistration) {
    const { homeLink, counters } = this.#context;
    const tunnel = this.#tunnels.acquire(step, endpoint);
    const binding = new BindingCacheEntry(key, mobileNode, tunnel, state);
    this.#cache.set(binding);
    this.#prefixes.add(binding);
    this.#former.forget(step, binding.homeAddress);
    this.#setDesired(step, binding);
    homeLink?.announce(step, binding);
    counters.count('binding-created');
    emit(step, 'info', 'binding-created', bindingFields(binding));
    return binding;
  }

  #change(step: Step, binding: BindingCacheEntry, { endpoint, state }: GrantedRegistration) {
    const { homeLink } = this.#context;
    const from = binding.tunnel.endpoint;
    const careOfBefore = binding.careOfAddress;
    const moved = !sameEndpoint(from, endpoint) || careOfBefore !== state.careOfAddress;
    const tunnelBefore = binding.tunnel;
    binding.tunnel = this.#tunnels.move(step, tunnelBefore, endpoint);
    const prefixesChanged = !samePrefixes(
      binding.mobileNetworkPrefixes,
      state.mobileNetworkPrefixes,
    );
    const addressesChanged =
      binding.ipv4HomeAddress !== state.ipv4HomeAddress ||
      binding.linkLocalCompatibility !== state.linkLocalCompatibility;
    const desiredChanged = binding.tunnel !== tunnelBefore || addressesChanged || prefixesChanged;
    if (desiredChanged) homeLink?.release(binding);
    if (prefixesChanged) this.#prefixes.release(binding);
    this.#keepTimestamp(step, binding, state.spi);
    binding.update(state);
    if (prefixesChanged) this.#prefixes.add(binding);
    if (desiredChanged) this.#setDesired(step, binding);
    if (addressesChanged) homeLink?.announce(step, binding);
    if (binding.tunnel !== tunnelBefore) this.#tunnels.release(step, tunnelBefore);
    this.#reportChange(step, binding, moved, careOfBefore);
    return binding;
  }

  #reportChange(step: Step, binding: Binding, moved: boolean, careOfBefore: IpAddress): void {
    this.#context.counters.count(moved ? 'binding-moved' : 'binding-refreshed');
    if (!moved) emit(step, 'debug', 'binding-refreshed', bindingFields(binding));
    else {
      emit(step, 'info', 'binding-moved', {
        ...bindingFields(binding),
        from: careOfBefore,
        to: binding.careOfAddress,
        remote: binding.tunnel.endpoint.remote,
      });
    }
  }

  #setDesired(step: Step, binding: Binding): void {
    const { homeLink } = this.#context;
    const defended = homeLink?.addressesOf(binding) ?? [];
    homeLink?.intercept(binding);
    setDesiredForBinding(step, binding, desiredForBinding(binding, homeLink?.device, defended));
  }

  /** Arms the lifetime and, a little before its end, the Binding Refresh Request. */
  #armLifetime(binding: BindingCacheEntry): void {
    const lead = Math.min(
      REFRESH_REQUEST_LEAD_MS,
      binding.lifetimeUnits * UNIT_MS * REFRESH_REQUEST_FRACTION,
    );
    binding.refreshRequestAt = after(binding.expiresAt, -lead);
    this.#arm(binding);
  }

  #arm(binding: BindingCacheEntry): void {
    this.#timers.set(binding, earliest(binding.expiresAt, binding.refreshRequestAt));
  }

  /** De-registration by the mobile node; its sequence number counts for some seconds more. */
  deregister(step: Step, key: BindingKey, { sequence, timestamp, spi }: ReplayNumbers): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    this.#keepTimestamp(step, binding, spi);
    binding.sequence = sequence;
    binding.timestamp = timestamp;
    binding.spi = spi;
    this.remove(step, key, 'binding-deleted');
  }

  /**
   * The record of a binding has one timestamp: before another security association replaces it,
   * that of the former one gets a record of its own.
   */
  #keepTimestamp(step: Step, binding: Binding, spi: number | undefined): void {
    if (binding.spi !== undefined && binding.spi !== spi) storeTimestamp(step, binding);
  }

  /** Removes everything that follows from a binding and stores the numbers that must outlive it. */
  remove(step: Step, key: BindingKey, reason: RemovalReason): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    const { homeLink, pool, counters } = this.#context;
    const { homeAddress } = binding;
    this.#cache.delete(binding);
    this.#prefixes.release(binding);
    this.#timers.remove(binding);
    homeLink?.withdraw(binding);
    setDesiredForBinding(step, binding, undefined);
    this.#tunnels.release(step, binding.tunnel);
    this.#context.sealing.withdraw(step, homeAddress);
    const last = this.#cache.anyOf(homeAddress) === undefined;
    if (last) pool.setIdle(homeAddress, true);
    forgetBinding(step, binding);
    const holdMs = reason === 'binding-expired' ? 0 : MAX_DELETE_BCE_TIMEOUT_MS;
    if (last) this.rememberFormer(step, homeAddress, binding, holdMs);
    counters.count(reason);
    emit(step, 'info', reason, bindingFields(binding));
  }

  /**
   * The home address has no binding: its next Binding Update must exceed these numbers, the
   * sequence number for `holdMs`.
   */
  rememberFormer(
    step: Step,
    homeAddress: Ipv6Address,
    { sequence, timestamp, spi }: ReplayNumbers,
    holdMs = MAX_DELETE_BCE_TIMEOUT_MS,
  ): void {
    const sequenceUntilWallMs = this.#context.clock.at(step.now) + holdMs;
    this.#former.remember(step, homeAddress, { sequence, sequenceUntilWallMs, timestamp, spi });
  }

  /** Takes over a stored binding that the configuration still allows. */
  restore(
    step: Step,
    key: BindingKey,
    mobileNode: AuthorizedMobileNode,
    { endpoint, tunnelId, state }: StoredBinding,
  ): void {
    const tunnel = this.#tunnels.acquire(step, endpoint, tunnelId);
    const binding = new BindingCacheEntry(key, mobileNode, tunnel, state);
    this.#cache.set(binding);
    this.#prefixes.add(binding);
    this.#armLifetime(binding);
    this.#context.counters.count('binding-restored');
    this.#setDesired(step, binding);
  }

  restoreFormer(homeAddress: Ipv6Address, former: FormerBinding): void {
    this.#former.restore(homeAddress, former);
  }

  /** Drops a stored binding that cannot be restored; `stored` is undefined if it cannot be read. */
  discardStored(step: Step, key: BindingKey, stored: StoredBinding | undefined): void {
    this.#context.counters.count('binding-not-restored');
    forgetBinding(step, key);
    if (stored === undefined) return;
    const { sequence, timestamp, spi } = stored.state;
    const former = { sequence, sequenceUntilWallMs: 0, timestamp, spi };
    this.#former.remember(step, key.homeAddress, former);
  }

  /**
   * After a jump of the wall clock, which must neither end nor prolong a binding at the next
   * restart.
   */
  storeAll(step: Step): void {
    for (const binding of this.#cache.values()) storeBinding(step, this.#context.clock, binding);
  }

  /** Another version of the configuration describes the mobile node. */
  setMobileNode(step: Step, key: BindingKey, mobileNode: AuthorizedMobileNode): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    const { group } = binding.mobileNode;
    binding.mobileNode = mobileNode;
    if (group !== mobileNode.group) this.#setDesired(step, binding);
  }

  /** The mobile node of a sealed binding answered at another endpoint. */
  relocate(step: Step, key: BindingKey, endpoint: TunnelEndpoint): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    const before = binding.tunnel;
    binding.tunnel = this.#tunnels.move(step, before, endpoint);
    if (binding.tunnel !== before) {
      this.#setDesired(step, binding);
      this.#tunnels.release(step, before);
    }
    storeBinding(step, this.#context.clock, binding);
  }

  /** Withdraws grants that the mobile node of a binding has lost. */
  narrow(step: Step, key: BindingKey, { ipv4HomeAddress, mobileNetworkPrefixes }: Narrowing): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    this.#context.homeLink?.release(binding);
    binding.ipv4HomeAddress = ipv4HomeAddress;
    if (binding.mobileNetworkPrefixes !== mobileNetworkPrefixes) {
      this.#prefixes.release(binding);
      binding.mobileNetworkPrefixes = mobileNetworkPrefixes;
      this.#prefixes.add(binding);
    }
    this.#setDesired(step, binding);
    storeBinding(step, this.#context.clock, binding);
  }

  /** Has a Binding Refresh Request sent with the next `runTimers`. */
  requestRefresh(now: Monotonic, key: BindingKey): void {
    const binding = this.#cache.get(key);
    if (binding === undefined) return;
    binding.refreshRequestAt = now;
    this.#arm(binding);
  }

  runTimers(step: Step): void {
    for (;;) {
      const binding = this.#timers.takeDue(step.now);
      if (binding === undefined) return;
      if (binding.expiresAt <= step.now) {
        this.remove(step, binding, 'binding-expired');
        continue;
      }
      if (binding.refreshRequestAt <= step.now) {
        binding.refreshRequestAt = NEVER;
        step.out.push(bindingRefreshRequest(binding));
        this.#context.counters.count('refresh-requested');
      }
      this.#arm(binding);
    }
  }
}
