/**
 * Relay Directions: a coordinator names a general node and who wants it; the relay finds its real
 * addresses, refuses those that are nobody's business, and serves it.
 *
 * RFC 1034 §3.6, RFC 3596  the addresses of a name, which the relay itself asks for
 * docs/reference/ntmobile.md §6 (Relay Direction), §10
 *
 * Each answer of a name server is judged anew, so that a name cannot lead elsewhere later (DNS
 * rebinding). A name is asked for again when a node is directed to it and what is known is no
 * longer fresh, and not by itself: nobody is told of its addresses in between.
 */

import { hex } from '#base/bytes.ts';
import {
  cachedAddressBytes,
  type IpAddress,
  isIpv6,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { ResolvedInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-nodes.ts';
import type { RelayLimits } from './configuration.ts';
import type { Destinations } from './destinations.ts';
import type { DirectedNodes } from './directed-nodes.ts';
import { type GeneralAddresses, GeneralNode, GeneralNodes } from './general-nodes.ts';
import type { RelayCounter } from './reasons.ts';
import { GENERAL_NODES_TABLE, generalNodeRecord } from './stored-records.ts';

/**
 * The coordinator gives up after three seconds, and would take silence for a relay that is gone.
 */
const RESOLUTION_MS = 2_500;
const SHORTEST_TIME_TO_LIVE_SECONDS = 30;
const LONGEST_TIME_TO_LIVE_SECONDS = 300;
/** What is good for less is asked for again. */
const FRESH_ENOUGH_MS = 5_000;
/** Docs §2: of general nodes. */
const GENERAL_SUBNET = 1;

/** What comes of a name without an address that may be served. */
const FAILED = {
  forbidden: [NtmobileStatus.notAllowed, 'direction-forbidden'],
  missing: [NtmobileStatus.noSuchName, 'direction-no-name'],
  unresolved: [NtmobileStatus.nameNotResolved, 'direction-unresolved'],
} as const;

/** A Relay Direction that was understood. */
interface PendingRelayDirection {
  readonly session: Session;
  readonly request: NtmobileMessage;
  readonly pathId: Uint8Array;
  readonly addresses: GeneralAddresses;
  /** In hexadecimal digits. */
  readonly nodeIds: readonly string[];
}

/** A name that the name servers have been asked for. */
class Resolution implements Timed {
  readonly name: string;
  readonly waiting: PendingRelayDirection[] = [];
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(name: string) {
    this.name = name;
  }
}

/** What Relay Directions need of their relay. */
export interface DirectionsContext {
  readonly systemPrefix: Prefix;
  readonly virtualIpv4Prefixes: readonly Prefix[];
  limits(): Pick<RelayLimits, 'maximumGeneralNodes' | 'maximumResolutions'>;
  readonly counters: CounterSet<RelayCounter>;
  readonly destinations: Destinations;
  readonly directed: DirectedNodes;
  attached(nodeId: string): AttachedNode | undefined;
  answer(session: Session, message: NtmobileMessage): void;
  emit(output: Output): void;
}

export class RelayDirections {
  readonly general = new GeneralNodes();
  readonly #context: DirectionsContext;
  readonly #resolutions = new Map<string, Resolution>();
  readonly #timers = new TimerHeap<Resolution>();
  /** Families in which the relay itself reaches anybody. */
  families: { readonly ipv6: boolean; readonly ipv4: boolean } = { ipv6: true, ipv4: true };

  constructor(context: DirectionsContext) {
    this.#context = context;
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.general.deadline());
  }

  tick(now: Monotonic): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      for (const asked of due.waiting.splice(0)) {
        this.#tell(
          asked,
          this.#refuse(asked.request, NtmobileStatus.nameNotResolved, 'direction-unresolved'),
        );
      }
    }
    for (let over = this.general.takeDue(now); over !== undefined; over = this.general.takeDue(now))
      this.#drop(over);
  }

  // --- requests ---

  request(now: Monotonic, session: Session, request: NtmobileMessage): NtmobileMessage | 'later' {
    const asked = this.#read(session, request);
    if (asked === undefined)
      return this.#refuse(request, NtmobileStatus.malformed, 'direction-malformed');
    const { addresses, nodeIds } = asked;
    if (!this.#areGeneral(addresses) || this.general.conflicts(addresses))
      return this.#refuse(request, NtmobileStatus.notAllowed, 'direction-conflict');
    const known = this.#same(addresses);
    const within = nodeIds.every((nodeId) => this.#context.directed.mayUse(now, nodeId, known));
    if (!within || !this.#hasRoom(now, known))
      return this.#refuse(request, NtmobileStatus.busy, 'direction-limit');
    if (known !== undefined && known.freshUntil - now >= FRESH_ENOUGH_MS)
      return this.#grant(now, asked, known);
    return this.#resolve(now, asked);
  }

  #read(session: Session, request: NtmobileMessage): PendingRelayDirection | undefined {
    const { options } = request;
    const pathId = findNtmobileOption(options, 'path-id')?.pathId;
    const name = findNtmobileOption(options, 'name')?.name;
    const virtualIpv6 = findNtmobileOption(options, 'virtual-ipv6')?.address;
    const virtualIpv4 = findNtmobileOption(options, 'virtual-ipv4')?.address;
    const nodeIds = filterNtmobileOptions(options, 'node-id').map(({ nodeId }) => hex(nodeId));
    const isGeneral = findNtmobileOption(options, 'role')?.role === DirectionRole.general;
    if (
      !isGeneral ||
      pathId === undefined ||
      name === undefined ||
      virtualIpv6 === undefined ||
      nodeIds.length === 0
    )
      return undefined;
    return { session, request, pathId, addresses: { name, virtualIpv6, virtualIpv4 }, nodeIds };
  }

  /** A coordinator gives out what is the system's, and of that what is no node's. */
  #areGeneral({ virtualIpv6, virtualIpv4 }: GeneralAddresses): boolean {
    const { systemPrefix, virtualIpv4Prefixes } = this.#context;
    const [high, low] = cachedAddressBytes(virtualIpv6).subarray(6, 8);
    if (!prefixContains(systemPrefix, virtualIpv6) || high !== 0 || low !== GENERAL_SUBNET)
      return false;
    return (
      virtualIpv4 === undefined ||
      virtualIpv4Prefixes.some((prefix) => prefixContains(prefix, virtualIpv4))
    );
  }

  /** The general node, unless it has another IPv4 address now. */
  #same({ virtualIpv6, virtualIpv4 }: GeneralAddresses): GeneralNode | undefined {
    const known = this.general.at(virtualIpv6);
    return known?.virtualIpv4 === virtualIpv4 ? known : undefined;
  }

  #hasRoom(now: Monotonic, known: GeneralNode | undefined): boolean {
    const { maximumGeneralNodes } = this.#context.limits();
    return (
      known !== undefined ||
      this.general.size < maximumGeneralNodes ||
      this.general.oldest(now) !== undefined
    );
  }

  #resolve(now: Monotonic, asked: PendingRelayDirection): NtmobileMessage | 'later' {
    const { name } = asked.addresses;
    const known = this.#resolutions.get(name);
    if (known === undefined && this.#resolutions.size >= this.#context.limits().maximumResolutions)
      return this.#refuse(asked.request, NtmobileStatus.busy, 'direction-limit');
    const resolution = known ?? new Resolution(name);
    resolution.waiting.push(asked);
    if (resolution.heapIndex < 0) this.#timers.set(resolution, after(now, RESOLUTION_MS));
    if (known === undefined) {
      this.#resolutions.set(name, resolution);
      this.#context.emit({ kind: 'resolve', name });
    }
    return 'later';
  }

  // --- answers ---

  resolved(
    now: Monotonic,
    { name, addresses, noSuchName, timeToLiveSeconds }: ResolvedInput,
  ): void {
    const resolution = this.#resolutions.get(name);
    if (resolution === undefined) return;
    this.#resolutions.delete(name);
    this.#timers.remove(resolution);
    const may = addresses.filter((address) => !this.#context.destinations.refuses(address));
    const seconds = Math.min(
      Math.max(timeToLiveSeconds ?? 0, SHORTEST_TIME_TO_LIVE_SECONDS),
      LONGEST_TIME_TO_LIVE_SECONDS,
    );
    const why = addresses.length > 0 ? 'forbidden' : noSuchName === true ? 'missing' : 'unresolved';
    if (may.length === 0 && why === 'forbidden')
      this.#context.emit({
        kind: 'event',
        event: { name: 'destination-refused', level: 'info', fields: { name } },
      });
    const [status, reason] = FAILED[why];
    for (const asked of resolution.waiting) {
      const found = may.length > 0 ? this.#found(now, asked, may, seconds) : undefined;
      this.#tell(asked, found ?? this.#refuse(asked.request, status, reason));
    }
  }

  #found(
    now: Monotonic,
    asked: PendingRelayDirection,
    addresses: readonly IpAddress[],
    seconds: number,
  ): NtmobileMessage {
    // Others may have come while the name was looked for.
    if (this.general.conflicts(asked.addresses))
      return this.#refuse(asked.request, NtmobileStatus.notAllowed, 'direction-conflict');
    const former = this.#same(asked.addresses);
    if (!this.#hasRoom(now, former))
      return this.#refuse(asked.request, NtmobileStatus.busy, 'direction-limit');
    const node = former ?? new GeneralNode(now, asked.addresses);
    const reach = this.families;
    const found = {
      ipv6: addresses.filter((address) => isIpv6(address) && reach.ipv6),
      ipv4: addresses.filter((address) => !isIpv6(address) && reach.ipv4),
    };
    const changed = node.resolved(now, found);
    node.freshUntil = after(now, seconds * 1000);
    if (former === undefined && node.families > 0) this.#add(now, node);
    else if (former !== undefined && changed) this.#changed(node);
    return this.#grant(now, asked, node);
  }

  /**
   * In the place of one with another IPv4 address, or of the one that was asked for longest ago.
   */
  #add(now: Monotonic, node: GeneralNode): void {
    const former = this.general.at(node.virtualIpv6);
    if (former !== undefined) this.#drop(former);
    const oldest =
      this.general.size >= this.#context.limits().maximumGeneralNodes
        ? this.general.oldest(now)
        : undefined;
    if (oldest !== undefined) this.#drop(oldest);
    this.general.add(node);
    this.#changed(node);
  }

  #grant(
    now: Monotonic,
    { request, pathId, nodeIds }: PendingRelayDirection,
    node: GeneralNode,
  ): NtmobileMessage {
    if (node.families === 0)
      return this.#refuse(request, NtmobileStatus.nameNotResolved, 'direction-unreachable');
    const { directed, attached } = this.#context;
    for (const nodeId of nodeIds) directed.direct(now, nodeId, node, attached(nodeId));
    this.general.used(now, node);
    this.#context.counters.count('directed');
    const seconds = Math.max(1, Math.floor((node.freshUntil - now) / 1000));
    return respond(request, NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      { type: 'families', families: node.families },
      { type: 'time-to-live', seconds },
    ]);
  }

  #refuse(request: NtmobileMessage, status: number, reason: RelayCounter): NtmobileMessage {
    this.#context.counters.count(reason);
    return respond(request, status);
  }

  #tell({ session }: PendingRelayDirection, message: NtmobileMessage): void {
    this.#context.answer(session, message);
  }

  // --- general nodes change and end ---

  #changed(node: GeneralNode): void {
    this.#context.emit({ kind: 'set-desired', key: keyOf(node), part: node.part() });
    this.#persist(GENERAL_NODES_TABLE, node.virtualIpv6, generalNodeRecord(node));
    for (const user of node.users) this.#context.directed.updateDesired(user);
  }

  #drop(node: GeneralNode): void {
    this.#context.counters.count('general-ended');
    this.general.remove(node);
    this.#context.emit({ kind: 'set-desired', key: keyOf(node), part: undefined });
    this.#persist(GENERAL_NODES_TABLE, node.virtualIpv6, undefined);
    for (const user of [...node.users]) this.#context.directed.release(user, node);
  }

  /** The relay has other addresses: what is its own now is no server's. */
  withdraw(refuses: (real: IpAddress) => boolean): void {
    for (const node of this.general.all()) {
      if (!node.withdraw(refuses)) continue;
      this.#context.counters.count('general-forbidden');
      this.#changed(node);
    }
  }

  /**
   * From the store; judged as if the name had been asked for. Says whether it is still one that may
   * be served.
   */
  restore(node: GeneralNode): boolean {
    const { name, virtualIpv6, virtualIpv4 } = node;
    const addresses = { name, virtualIpv6, virtualIpv4 };
    node.withdraw((real) => this.#context.destinations.refuses(real));
    const fits = this.#areGeneral(addresses) && !this.general.conflicts(addresses);
    if (!fits || (node.ipv6.real === undefined && node.ipv4.real === undefined)) {
      this.#persist(GENERAL_NODES_TABLE, virtualIpv6, undefined);
      return false;
    }
    this.general.add(node);
    this.#context.emit({ kind: 'set-desired', key: keyOf(node), part: node.part() });
    return true;
  }

  #persist(table: string, key: string, value: JsonValue | undefined): void {
    this.#context.emit({ kind: 'persist', table, key, value });
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.general.all()].map(({ name, virtualIpv6, virtualIpv4, ipv6, ipv4, users }) => ({
      ...{ name, virtualIpv6, ...(virtualIpv4 === undefined ? {} : { virtualIpv4 }) },
      ...(ipv6.real === undefined ? {} : { realIpv6: ipv6.real }),
      ...(ipv4.real === undefined ? {} : { realIpv4: ipv4.real }),
      ...{
        translated: [...(ipv6.translated ? [6] : []), ...(ipv4.translated ? [4] : [])],
        nodes: users.size,
      },
    }));
  }
}

function respond(
  { transaction }: NtmobileMessage,
  status: number,
  options: readonly NtmobileOption[] = [],
): NtmobileMessage {
  return { type: 'relay-direction-response', answer: true, status, transaction, options };
}

function keyOf({ virtualIpv6 }: GeneralNode): string {
  return `general-node ${virtualIpv6}`;
}
