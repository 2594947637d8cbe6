/**
 * Everything that a home agent remembers; each file of this folder works on it.
 *
 * RFC 6275 §10.1  Binding Cache
 * Left out: the Home Agents List (§10.1, §10.5), which dynamic home agent address discovery needs.
 */
import { assert } from '#base/assert.ts';
import type { Ipv6Address } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { type Monotonic, type Wall, wall } from '#base/time.ts';
import { CounterSet } from '#engine/common/counters.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import { BindingCache } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { ErrorReporter } from '#engine/mobile-ipv6/common/packet-faults.ts';
import type { Binding, FormerBinding } from './bindings/binding.ts';
import { TunnelTable } from './bindings/tunnels.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import { AddressPool } from './grants/address-pool.ts';
import { MobileNodeDirectory } from './grants/mobile-node-directory.ts';
import { PrefixTable } from './grants/prefix-table.ts';
import { HomeLink } from './home-link/home-link.ts';
import { HOME_AGENT_REASONS, type HomeAgentReason } from './reasons.ts';

const EVENTS_PER_SECOND = 5;
const BURST = 10;
/** What lies below is drift, which the next refresh of a binding puts right. */
const CLOCK_JUMP_MS = 5000;

export class HomeAgentState {
  configuration: HomeAgentConfiguration;
  readonly random: RandomBytes;
  directory: MobileNodeDirectory;
  readonly cache = new BindingCache<Binding>();
  readonly bindingTimers = new TimerHeap<Binding>();
  readonly formerBindings = new Map<Ipv6Address, FormerBinding>();
  readonly prefixes = new PrefixTable();
  readonly tunnels: TunnelTable;
  readonly pool: AddressPool;
  readonly homeLink: HomeLink | undefined;
  readonly counters = new CounterSet<HomeAgentReason>(HOME_AGENT_REASONS);
  /** Binding Acknowledgements by the name of their status. */
  readonly acknowledgements = new CounterSet<string>({});
  readonly errors = new ErrorReporter();
  /** Limits events that a stranger can cause. */
  readonly eventLimit = new TokenBucket(EVENTS_PER_SECOND, BURST);
  #clockOffsetMs: number | undefined;

  constructor(configuration: HomeAgentConfiguration, random: RandomBytes) {
    this.configuration = configuration;
    this.random = random;
    this.directory = new MobileNodeDirectory(configuration);
    this.tunnels = new TunnelTable(configuration.tunnelMtu);
    this.pool = new AddressPool(configuration);
    this.homeLink =
      configuration.homeLink === undefined
        ? undefined
        : new HomeLink(configuration.homeLink, configuration.homePrefixes);
  }

  /** True when the wall clock jumped, so that stored wall-clock times are wrong. */
  setClock(offsetMs: number): boolean {
    const jumped = Math.abs(offsetMs - (this.#clockOffsetMs ?? offsetMs)) > CLOCK_JUMP_MS;
    this.#clockOffsetMs = offsetMs;
    return jumped;
  }

  wallAt(moment: Monotonic): Wall {
    assert(this.#clockOffsetMs !== undefined, 'clock input comes first');
    return wall(moment + this.#clockOffsetMs);
  }

  count(reason: HomeAgentReason): void {
    this.counters.count(reason);
  }
}

export function emit(
  out: Output[],
  level: EngineEvent['level'],
  name: EngineEvent['name'],
  fields: JsonObject,
): void {
  out.push({ kind: 'event', event: { name, level, fields } });
}

/** The fields of every event about a binding. */
export function bindingFields(binding: Binding): JsonObject {
  return {
    homeAddress: binding.homeAddress,
    careOfAddress: binding.careOfAddress,
    identifier: binding.mobileNode.identifier,
    encapsulation: encapsulationOf(binding.tunnel.endpoint.carrier, 'none'),
  };
}
