/**
 * Keyed parts of a wish → their union → the smallest change to kernel and plane.
 *
 * One step's changes are made before broken: `make` adds and changes (keys, then tunnels, first),
 * `break` deletes in the reverse order, so that a home address that moves between devices is never
 * absent. Sysctls come after the rules and go before them: nothing is forwarded by rules that are
 * not there yet or no longer. What the world refuses stays pending and is tried again with the next
 * network snapshot or by back-off.
 */

import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import {
  addressKind,
  addressMapKind,
  overlayKind,
  planeRouteKind,
  proxyNeighbourKind,
  relayLegKind,
  routeKind,
  ruleKind,
  sealingKeysKind,
  sysctlKind,
  translationKind,
  tunnelKind,
} from './desired-state-kinds.ts';
import { type AttemptHostChange, DesiredTable } from './desired-state-table.ts';
import { type HostError, isHostError } from './host-error.ts';
import type { AddressMapPort, KernelPort, PlanePort } from './ports.ts';

/** First and longest wait before the world is asked again. */
const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 10_000;
/**
 * A disturbance sooner than this after the former one is answered with back-off, not at once:
 * somebody fights us.
 */
const DISTURBANCE_CALM_MS = 1_000;
const PENDING_SHOWN = 100;

function noAddressMaps(): never {
  throw new Error('a wish for an address map, of a daemon that has none');
}

const NO_ADDRESS_MAPS: AddressMapPort = { set: noAddressMaps, delete: noAddressMaps };

export class Reconciler {
  readonly #parts = new Map<string, DesiredPart>();
  readonly #sealingKeys;
  readonly #tunnels;
  readonly #planeRoutes;
  readonly #relayLegs;
  readonly #translations;
  readonly #addressMaps;
  readonly #overlays;
  readonly #sysctls;
  readonly #addresses;
  readonly #routes;
  readonly #rules;
  readonly #proxyNeighbours;
  /** What the plane does, in the order of making. */
  readonly #planeTables;
  /** All of it, in the order of making. */
  readonly #tables;
  /** In the order of breaking. */
  readonly #reversed;
  readonly #refused: (what: string, error: HostError) => void;
  readonly #failures = new Map<string, string>();
  readonly #counters = new Map<string, number>();
  #retryAt: Monotonic = NEVER;
  #retryMs = RETRY_FIRST_MS;
  #disturbed = false;
  #calmFrom = -Infinity;

  /**
   * `refused` hears of each thing once, when the world first refuses it. A wish for address maps
   * where there is no `maps` is our defect.
   */
  constructor(
    kernel: KernelPort,
    plane: PlanePort,
    refused: (what: string, error: HostError) => void,
    maps: AddressMapPort = NO_ADDRESS_MAPS,
  ) {
    this.#refused = refused;
    this.#sealingKeys = new DesiredTable(sealingKeysKind(plane));
    this.#tunnels = new DesiredTable(tunnelKind(plane));
    this.#planeRoutes = new DesiredTable(planeRouteKind(plane));
    this.#relayLegs = new DesiredTable(relayLegKind(plane));
    this.#translations = new DesiredTable(translationKind(plane));
    this.#addressMaps = new DesiredTable(addressMapKind(maps));
    this.#overlays = new DesiredTable(overlayKind(plane));
    this.#sysctls = new DesiredTable(sysctlKind(kernel));
    this.#addresses = new DesiredTable(addressKind(kernel));
    this.#routes = new DesiredTable(routeKind(kernel));
    this.#rules = new DesiredTable(ruleKind(kernel));
    this.#proxyNeighbours = new DesiredTable(proxyNeighbourKind(kernel));
    this.#planeTables = [
      this.#sealingKeys,
      this.#tunnels,
      this.#overlays,
      this.#planeRoutes,
      this.#relayLegs,
      this.#translations,
    ];
    this.#tables = [
      ...this.#planeTables,
      this.#addressMaps,
      this.#addresses,
      this.#routes,
      this.#rules,
      this.#proxyNeighbours,
      this.#sysctls,
    ];
    this.#reversed = this.#tables.toReversed();
  }

  /** Notes the new part; nothing is applied before `make`. */
  setDesired(key: string, part: DesiredPart | undefined): void {
    const former = this.#parts.get(key);
    if (part === undefined) this.#parts.delete(key);
    else {
      this.#parts.set(key, part);
      this.#retain(part);
    }
    if (former !== undefined) this.#release(former);
  }

  /** Applies additions and changes noted so far. */
  applyAdditions(now: Monotonic): void {
    const attempt = this.#attempt(now);
    for (const table of this.#tables) table.applyAdditions(attempt);
  }

  /** Applies deletions noted so far; call at the end of a step. */
  applyRemovals(now: Monotonic): void {
    const attempt = this.#attempt(now);
    for (const table of this.#reversed) table.applyRemovals(attempt);
  }

  /** The network changed: what was refused may work now. */
  retry(now: Monotonic): void {
    if (!this.#tables.some((table) => table.hasPending)) return;
    this.#retryAt = NEVER;
    for (const table of this.#tables) table.retry();
    this.applyAdditions(now);
    this.applyRemovals(now);
    if (this.#tables.every((table) => !table.hasPending)) this.#settle();
  }

  /**
   * Something of ours vanished from the kernel: at once, or with back-off when it happens again and
   * again.
   */
  disturbed(now: Monotonic): void {
    this.#count('disturbed');
    this.#disturbed = true;
    if (now < this.#calmFrom) this.#backOff(now);
    else {
      if (this.#retryAt === NEVER) this.#retryMs = RETRY_FIRST_MS;
      this.#reapply(now);
    }
  }

  /** When `tick` wants to be called. */
  deadline(): Monotonic {
    return this.#retryAt;
  }

  tick(now: Monotonic): void {
    if (now < this.#retryAt) return;
    this.#retryAt = NEVER;
    if (this.#disturbed) this.#reapply(now);
    this.retry(now);
  }

  /**
   * Withdraws everything, in reverse, but first what lets packets in: answers to them must not find
   * the rules gone that keep them from the open.
   */
  clear(now: Monotonic): void {
    this.#parts.clear();
    for (const table of this.#tables) table.clear();
    const attempt = this.#attempt(now);
    for (const table of this.#planeTables.toReversed()) table.applyRemovals(attempt);
    this.applyRemovals(now);
  }

  /** `pending`: what the world refuses and why; `counters`: applied, refused and disturbed. */
  status(): JsonObject {
    const pending = this.#tables.flatMap((table) => table.pending).slice(0, PENDING_SHOWN);
    return {
      parts: this.#parts.size,
      pending: pending.map((what) => ({ what, error: this.#failures.get(what) ?? '' })),
      counters: Object.fromEntries(this.#counters),
    };
  }

  #retain(part: DesiredPart): void {
    this.#sealingKeys.retain(part.sealingKeys);
    this.#tunnels.retain(part.tunnels);
    this.#planeRoutes.retain(part.planeRoutes);
    this.#relayLegs.retain(part.relayLegs);
    this.#translations.retain(part.translations);
    this.#addressMaps.retain(part.addressMaps);
    this.#overlays.retain(part.overlays);
    this.#sysctls.retain(part.sysctls);
    this.#addresses.retain(part.addresses);
    this.#routes.retain(part.routes);
    this.#rules.retain(part.rules);
    this.#proxyNeighbours.retain(part.proxyNeighbours);
  }

  #release(part: DesiredPart): void {
    this.#sealingKeys.release(part.sealingKeys);
    this.#tunnels.release(part.tunnels);
    this.#planeRoutes.release(part.planeRoutes);
    this.#relayLegs.release(part.relayLegs);
    this.#translations.release(part.translations);
    this.#addressMaps.release(part.addressMaps);
    this.#overlays.release(part.overlays);
    this.#sysctls.release(part.sysctls);
    this.#addresses.release(part.addresses);
    this.#routes.release(part.routes);
    this.#rules.release(part.rules);
    this.#proxyNeighbours.release(part.proxyNeighbours);
  }

  #reapply(now: Monotonic): void {
    this.#disturbed = false;
    this.#calmFrom = after(now, DISTURBANCE_CALM_MS);
    // Settings of an interface go with it.
    for (const table of [
      this.#addresses,
      this.#routes,
      this.#rules,
      this.#proxyNeighbours,
      this.#sysctls,
    ]) {
      table.markAllForReapply();
    }
    this.applyAdditions(now);
  }

  #attempt(now: Monotonic): AttemptHostChange {
    return (kind, identity, body) => {
      try {
        body();
      } catch (thrown) {
        if (!isHostError(thrown)) throw thrown;
        const what = `${kind} ${identity}`;
        if (!this.#failures.has(what)) this.#refused(what, thrown);
        this.#failures.set(what, thrown.message);
        this.#count(`refused-${thrown.code}`);
        if (this.#retryAt === NEVER) this.#backOff(now);
        return false;
      }
      if (this.#failures.size > 0) this.#failures.delete(`${kind} ${identity}`);
      this.#count('applied');
      return true;
    };
  }

  #backOff(now: Monotonic): void {
    if (this.#retryAt !== NEVER) return;
    this.#retryAt = after(now, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LONGEST_MS);
  }

  #settle(): void {
    this.#retryMs = RETRY_FIRST_MS;
    this.#retryAt = NEVER;
    this.#failures.clear();
  }

  #count(name: string): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1);
  }
}
