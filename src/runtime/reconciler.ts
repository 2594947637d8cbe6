/**
 * Keyed parts of desired state → their union → the smallest change to kernel and plane.
 *
 * Make before break: `applyAdditions` adds and changes in the order of the registry
 * (desired-state-kinds.ts), `applyRemovals` removes in the reverse order at the end of a step, so
 * that a home address that moves between devices is never absent. A change that the host refuses
 * stays pending; the next network snapshot or a timer with exponential back-off retries it.
 */

import type { JsonObject } from '#base/json.ts';
import { keysOf } from '#base/keys.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { DesiredItems, DesiredPart } from '#engine/contract/desired-state.ts';
import { DESIRED_STATE_KINDS, type HostPorts, type KindOwner } from './desired-state-kinds.ts';
import { type AttemptHostChange, DesiredStateTable } from './desired-state-table.ts';
import { type HostError, isHostError } from './host-error.ts';
import type {
  AddressMapPort,
  HostResolverPort,
  InnerAddressPort,
  InternetAccessPort,
  KernelPort,
  KillSwitchPort,
  NodeGroupsPort,
  PlanePort,
} from './ports.ts';

/** First and longest wait before a refused change is tried again. */
const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 10_000;
/**
 * A disturbance that follows the last repair sooner than this is repaired with back-off: another
 * program removes what the daemon adds.
 */
const DISTURBANCE_CALM_MS = 1_000;
const PENDING_SHOWN = 100;
/** The TUN device in `pending`. */
const TUNNEL_DEVICE = 'tunnel-device';

const missing = (what: string) => (): never => {
  throw new Error(`the engine desires ${what}, but this daemon has none`);
};
const noAddressMap = missing('an address map');
const noKillSwitch = missing('a kill switch');
const noInnerAddresses = missing('inner addresses');
const noInternetAccess = missing('internet access');
const noNodeGroups = missing('groups of nodes');
const noHostResolver = missing('name servers');

const NO_ADDRESS_MAPS: AddressMapPort = { set: noAddressMap, delete: noAddressMap };
const NO_KILL_SWITCH: KillSwitchPort = {
  ...{ set: noKillSwitch, release: noKillSwitch },
  ...{ allowNetwork: noKillSwitch, disallowNetwork: noKillSwitch },
};
const NO_INNER_ADDRESSES: InnerAddressPort = {
  ...{ protect: noInnerAddresses, release: noInnerAddresses },
};
const NO_INTERNET_ACCESS: InternetAccessPort = {
  ...{ masquerade: noInternetAccess, endMasquerade: noInternetAccess },
};
const NO_NODE_GROUPS: NodeGroupsPort = { admit: noNodeGroups, dismiss: noNodeGroups };
const NO_HOST_RESOLVER: HostResolverPort = { use: noHostResolver, restore: noHostResolver };

/** Ports of the host that only some daemons have. */
interface FurtherPorts {
  readonly addressMaps?: AddressMapPort | undefined;
  readonly killSwitch?: KillSwitchPort | undefined;
  readonly innerAddresses?: InnerAddressPort | undefined;
  readonly internetAccess?: InternetAccessPort | undefined;
  readonly nodeGroups?: NodeGroupsPort | undefined;
  readonly hostResolver?: HostResolverPort | undefined;
}

type KindTable = DesiredStateTable<object, HostPorts>;

function openTable<K extends keyof DesiredItems>(kind: K, ports: HostPorts): KindTable {
  return new DesiredStateTable(DESIRED_STATE_KINDS[kind], (part) => part[kind], ports);
}

export class Reconciler {
  readonly #parts = new Map<string, DesiredPart>();
  readonly #byKind: ReadonlyMap<keyof DesiredItems, KindTable>;
  /** One for each kind, in the order in which a step adds. */
  readonly #tables: readonly KindTable[];
  readonly #planeTables: readonly KindTable[];
  readonly #kernelTables: readonly KindTable[];
  readonly #reversed: readonly KindTable[];
  readonly #kernel: KernelPort;
  readonly #refused: (what: string, error: HostError) => void;
  readonly #repaired: (why: string) => void;
  readonly #failures = new Map<string, string>();
  readonly #counters = new Map<string, number>();
  #retryAt: Monotonic = NEVER;
  #retryMs = RETRY_FIRST_MS;
  #disturbed = false;
  #calmFrom = -Infinity;

  /**
   * `refused` is called once for each item, when the host first refuses it; `repaired` when another
   * program had harmed the TUN device. An engine that desires a kind whose port is missing in
   * `further` fails an assertion.
   */
  constructor(
    kernel: KernelPort,
    plane: PlanePort,
    refused: (what: string, error: HostError) => void,
    {
      addressMaps = NO_ADDRESS_MAPS,
      killSwitch = NO_KILL_SWITCH,
      innerAddresses = NO_INNER_ADDRESSES,
      internetAccess = NO_INTERNET_ACCESS,
      nodeGroups = NO_NODE_GROUPS,
      hostResolver = NO_HOST_RESOLVER,
    }: FurtherPorts = {},
    repaired: (why: string) => void = () => {},
  ) {
    this.#repaired = repaired;
    this.#kernel = kernel;
    this.#refused = refused;
    const filters = { addressMaps, killSwitch, innerAddresses, internetAccess, nodeGroups };
    const ports = { kernel, plane, hostResolver, ...filters };
    const tables = keysOf(DESIRED_STATE_KINDS).map((kind) => ({
      kind,
      owner: DESIRED_STATE_KINDS[kind].owner,
      table: openTable(kind, ports),
    }));
    const ownedBy = (owner: KindOwner): readonly KindTable[] =>
      tables.filter((one) => one.owner === owner).map(({ table }) => table);
    this.#byKind = new Map(tables.map(({ kind, table }) => [kind, table]));
    this.#tables = tables.map(({ table }) => table);
    this.#planeTables = ownedBy('plane');
    this.#kernelTables = ownedBy('kernel');
    this.#reversed = this.#tables.toReversed();
  }

  /** Replaces or (with `undefined`) withdraws a part; the host changes with the next two calls. */
  setDesired(key: string, part: DesiredPart | undefined): void {
    const former = this.#parts.get(key);
    if (part === undefined) this.#parts.delete(key);
    else {
      this.#parts.set(key, part);
      for (const kind of keysOf(part)) this.#byKind.get(kind)?.retain(part);
    }
    if (former !== undefined)
      for (const kind of keysOf(former)) this.#byKind.get(kind)?.release(former);
  }

  /** Applies the additions and changes so far. */
  applyAdditions(now: Monotonic): void {
    const attempt = this.#attempt(now);
    for (const table of this.#tables) table.applyAdditions(attempt);
  }

  /** Applies the removals so far; call at the end of a step. */
  applyRemovals(now: Monotonic): void {
    const attempt = this.#attempt(now);
    for (const table of this.#reversed) table.applyRemovals(attempt);
  }

  /** The network changed, so the host may accept what it refused. */
  retry(now: Monotonic): void {
    if (!this.#tables.some((table) => table.hasPending)) return;
    // A repair that waits keeps its time: its cause is another program, not the network.
    if (!this.#disturbed) this.#retryAt = NEVER;
    for (const table of this.#tables) table.retry();
    this.applyAdditions(now);
    this.applyRemovals(now);
    if (!this.#disturbed && this.#tables.every((table) => !table.hasPending)) this.#settle();
  }

  /** Something that was applied vanished from the kernel. */
  disturbed(now: Monotonic): void {
    this.#count('disturbed');
    this.#disturbed = true;
    if (now < this.#calmFrom) this.#backOff(now);
    else {
      if (this.#retryAt === NEVER) this.#retryMs = RETRY_FIRST_MS;
      this.#reapply(now);
    }
  }

  /** When `tick` is due. */
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
   * Removes everything. The plane's tables are removed first: once no packet comes out of a tunnel,
   * no answer to one can leave unprotected while the rules are being removed.
   */
  clear(now: Monotonic): void {
    this.#parts.clear();
    for (const table of this.#tables) table.clear();
    const attempt = this.#attempt(now);
    for (const table of this.#planeTables.toReversed()) table.applyRemovals(attempt);
    this.applyRemovals(now);
  }

  /** Whether an item of the kind waits, whose last change the host refused. */
  isPending(kind: string): boolean {
    return this.#tables.some(({ name, hasPending }) => name === kind && hasPending);
  }

  /** `pending`: what the host refuses and why; `counters`: applied, refused and disturbed. */
  status(): JsonObject {
    const device = this.#failures.has(TUNNEL_DEVICE) ? [TUNNEL_DEVICE] : [];
    const items = this.#tables.flatMap((table) => table.pending);
    const pending = [...device, ...items].slice(0, PENDING_SHOWN);
    return {
      parts: this.#parts.size,
      pending: pending.map((what) => ({ what, error: this.#failures.get(what) ?? '' })),
      counters: Object.fromEntries(this.#counters),
    };
  }

  #reapply(now: Monotonic): void {
    this.#calmFrom = after(now, DISTURBANCE_CALM_MS);
    // While the device is missing, nothing can be added to it.
    this.#disturbed = !this.#attempt(now)(TUNNEL_DEVICE, '', () => {
      const harm = this.#kernel.repairDevice();
      if (harm !== undefined) this.#repaired(harm);
    });
    if (this.#disturbed) return;
    // All of the kernel's kinds, because a removed interface loses its addresses, routes and
    // sysctls.
    for (const table of this.#kernelTables) table.markAllForReapply();
    this.applyAdditions(now);
  }

  #attempt(now: Monotonic): AttemptHostChange {
    return (kind, key, body) => {
      try {
        body();
      } catch (thrown) {
        if (!isHostError(thrown)) throw thrown;
        const what = `${kind} ${key}`.trimEnd();
        if (!this.#failures.has(what)) this.#refused(what, thrown);
        this.#failures.set(what, thrown.message);
        this.#count(`refused-${thrown.code}`);
        if (this.#retryAt === NEVER) this.#backOff(now);
        return false;
      }
      if (this.#failures.size > 0) this.#failures.delete(`${kind} ${key}`.trimEnd());
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
