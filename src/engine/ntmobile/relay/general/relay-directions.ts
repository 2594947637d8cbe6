/**
 * Relay Directions: a coordinator directs nodes to a general node. The relay resolves the name of
 * the general node, refuses forbidden destinations, and serves it.
 *
 * RFC 1034 §3.6, RFC 3596  the addresses of a name
 * docs/reference/ntmobile.md §6 (Relay Direction), §10
 *
 * Every result of a resolution is checked, so that a name cannot lead to a forbidden destination
 * later (DNS rebinding). A name is resolved again only when a node is directed to it and the
 * earlier result is no longer fresh.
 */
import { type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { ResolvedInput } from '#engine/contract/input.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import type { AttachedNodes } from '../attached-nodes.ts';
import type { RelayLimits } from '../configuration.ts';
import type { RelayCounter } from '../reasons.ts';
import type { RelayPurpose } from '../request-purposes.ts';
import { GENERAL_NODES_TABLE, generalNodeRecord } from '../stored-records.ts';
import type { Destinations } from './destinations.ts';
import type { DirectedNodes } from './directed-nodes.ts';
import {
  areGeneralAddresses,
  directionResponse,
  type PendingDirection,
  readDirection,
} from './direction-messages.ts';
import { type GeneralAddresses, GeneralNode } from './general-node.ts';
import type { GeneralNodes } from './general-nodes.ts';
import { NameResolutions } from './name-resolutions.ts';

const SHORTEST_TIME_TO_LIVE_SECONDS = 30;
const LONGEST_TIME_TO_LIVE_SECONDS = 300;
/** A result that expires sooner is resolved again. */
const MINIMUM_FRESH_MS = 5_000;

/** Status and counter for a name without an address that the relay may serve. */
const RESOLUTION_FAILURES = {
  forbidden: [NtmobileStatus.notAllowed, 'direction-forbidden'],
  missing: [NtmobileStatus.noSuchName, 'direction-no-name'],
  unresolved: [NtmobileStatus.nameNotResolved, 'direction-unresolved'],
} as const;

interface RelayDirectionsOptions {
  readonly systemPrefix: Prefix;
  readonly generalIpv4Prefix: Prefix;
  limits(): Pick<RelayLimits, 'maximumGeneralNodes' | 'maximumResolutions'>;
  /** The families in which the relay reaches the internet. */
  families(): { readonly ipv6: boolean; readonly ipv4: boolean };
  readonly counters: CounterSet<RelayCounter>;
  readonly sessions: Sessions<RelayPurpose>;
  readonly nodes: AttachedNodes;
  readonly destinations: Destinations;
  readonly directed: DirectedNodes;
  readonly generalNodes: GeneralNodes;
}

export class RelayDirections {
  readonly #options: RelayDirectionsOptions;
  readonly #generalNodes: GeneralNodes;
  readonly #directed: DirectedNodes;
  readonly #resolutions = new NameResolutions();

  constructor(options: RelayDirectionsOptions) {
    this.#options = options;
    this.#generalNodes = options.generalNodes;
    this.#directed = options.directed;
  }

  deadline(): Monotonic {
    return earliest(this.#resolutions.deadline(), this.#generalNodes.deadline());
  }

  tick(step: Step): void {
    for (const direction of this.#resolutions.takeOverdue(step.now))
      this.#answer(
        step,
        direction,
        this.#refuse(direction.request, NtmobileStatus.nameNotResolved, 'direction-unresolved'),
      );
    for (
      let expired = this.#generalNodes.takeDue(step.now);
      expired !== undefined;
      expired = this.#generalNodes.takeDue(step.now)
    )
      this.#drop(step, expired);
  }

  // --- requests ---

  request(step: Step, session: Session, request: NtmobileMessage): NtmobileMessage | 'later' {
    const direction = readDirection(session, request);
    if (direction === undefined)
      return this.#refuse(request, NtmobileStatus.malformed, 'direction-malformed');
    const { addresses, nodeIds } = direction;
    if (!this.#areGeneral(addresses))
      return this.#refuse(request, NtmobileStatus.notAllowed, 'direction-conflict');
    if (this.#generalNodes.conflicts(addresses))
      return this.#refuse(request, NtmobileStatus.addressInUse, 'direction-conflict');
    const known = this.#find(addresses);
    if (!nodeIds.every((id) => this.#directed.mayUse(step.now, id, known)))
      return this.#refuse(request, NtmobileStatus.busy, 'direction-share');
    if (!this.#hasRoom(step.now, known))
      return this.#refuse(request, NtmobileStatus.busy, 'direction-limit');
    if (known !== undefined && known.freshUntil - step.now >= MINIMUM_FRESH_MS)
      return this.#grant(step, direction, known);
    return this.#resolve(step, direction);
  }

  #areGeneral(addresses: GeneralAddresses): boolean {
    const { systemPrefix, generalIpv4Prefix } = this.#options;
    return areGeneralAddresses(addresses, systemPrefix, generalIpv4Prefix);
  }

  /** The general node, unless its virtual IPv4 address changed. */
  #find({ virtualIpv6, virtualIpv4 }: GeneralAddresses): GeneralNode | undefined {
    const known = this.#generalNodes.at(virtualIpv6);
    return known?.virtualIpv4 === virtualIpv4 ? known : undefined;
  }

  #hasRoom(now: Monotonic, known: GeneralNode | undefined): boolean {
    return (
      known !== undefined ||
      this.#generalNodes.size < this.#options.limits().maximumGeneralNodes ||
      this.#generalNodes.evictable(now) !== undefined
    );
  }

  #resolve(step: Step, direction: PendingDirection): NtmobileMessage | 'later' {
    const { maximumResolutions } = this.#options.limits();
    const isPending = this.#resolutions.has(direction.addresses.name);
    if (!isPending && this.#resolutions.size >= maximumResolutions)
      return this.#refuse(direction.request, NtmobileStatus.busy, 'direction-limit');
    if (!isPending && !this.#resolutions.hasShare(direction, maximumResolutions))
      return this.#refuse(direction.request, NtmobileStatus.busy, 'direction-share');
    this.#resolutions.start(step, direction);
    return 'later';
  }

  // --- answers ---

  resolved(step: Step, { name, addresses, noSuchName, timeToLiveSeconds }: ResolvedInput): void {
    const waiting = this.#resolutions.finish(name);
    if (waiting === undefined) return;
    const { destinations } = this.#options;
    const allowed = addresses.filter((address) => !destinations.refuses(address));
    const seconds = Math.min(
      Math.max(timeToLiveSeconds ?? 0, SHORTEST_TIME_TO_LIVE_SECONDS),
      LONGEST_TIME_TO_LIVE_SECONDS,
    );
    const failure =
      addresses.length > 0 ? 'forbidden' : noSuchName === true ? 'missing' : 'unresolved';
    if (allowed.length === 0 && failure === 'forbidden')
      step.out.push({
        kind: 'event',
        event: { name: 'destination-refused', level: 'info', fields: { name } },
      });
    const [status, reason] = RESOLUTION_FAILURES[failure];
    for (const direction of waiting) {
      const response =
        allowed.length > 0
          ? this.#serve(step, direction, allowed, seconds)
          : this.#refuse(direction.request, status, reason);
      this.#answer(step, direction, response);
    }
  }

  #serve(
    step: Step,
    direction: PendingDirection,
    addresses: readonly IpAddress[],
    seconds: number,
  ): NtmobileMessage {
    // Other general nodes may have been added during the resolution.
    if (this.#generalNodes.conflicts(direction.addresses))
      return this.#refuse(direction.request, NtmobileStatus.addressInUse, 'direction-conflict');
    const known = this.#find(direction.addresses);
    if (!this.#hasRoom(step.now, known))
      return this.#refuse(direction.request, NtmobileStatus.busy, 'direction-limit');
    const node = known ?? new GeneralNode(step.now, direction.addresses);
    const families = this.#options.families();
    const changed = node.resolved(step.now, {
      ipv6: addresses.filter((address) => isIpv6(address) && families.ipv6),
      ipv4: addresses.filter((address) => !isIpv6(address) && families.ipv4),
    });
    node.freshUntil = after(step.now, seconds * 1000);
    if (known === undefined && node.families > 0) this.#add(step, node);
    else if (known !== undefined && changed) this.#update(step, node);
    return this.#grant(step, direction, node);
  }

  /** Replaces a general node with the same IPv6 address, or at the limit an evictable one. */
  #add(step: Step, node: GeneralNode): void {
    const former = this.#generalNodes.at(node.virtualIpv6);
    if (former !== undefined) this.#drop(step, former);
    const isFull = this.#generalNodes.size >= this.#options.limits().maximumGeneralNodes;
    const evicted = isFull ? this.#generalNodes.evictable(step.now) : undefined;
    if (evicted !== undefined) this.#drop(step, evicted);
    this.#generalNodes.add(node, this.#directed.hasAttachedUser(node));
    this.#update(step, node);
  }

  #grant(
    step: Step,
    { request, pathId, nodeIds }: PendingDirection,
    node: GeneralNode,
  ): NtmobileMessage {
    if (node.families === 0)
      return this.#refuse(request, NtmobileStatus.nameNotResolved, 'direction-unreachable');
    const { nodes, counters } = this.#options;
    for (const nodeId of nodeIds) this.#directed.direct(step, nodeId, node, nodes.ofNodeId(nodeId));
    this.#generalNodes.used(step.now, node, this.#directed.hasAttachedUser(node));
    counters.count('directed');
    const seconds = Math.max(1, Math.floor((node.freshUntil - step.now) / 1000));
    return directionResponse(request, NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      { type: 'families', families: node.families },
      { type: 'time-to-live', seconds },
    ]);
  }

  #refuse(request: NtmobileMessage, status: number, reason: RelayCounter): NtmobileMessage {
    this.#options.counters.count(reason);
    return directionResponse(request, status);
  }

  #answer(step: Step, { session }: PendingDirection, response: NtmobileMessage): void {
    this.#options.sessions.answer(step, session, response);
  }

  // --- changes and end of general nodes ---

  #update(step: Step, node: GeneralNode): void {
    setDesiredGeneral(step, node);
    step.out.push({
      kind: 'persist',
      table: GENERAL_NODES_TABLE,
      key: node.virtualIpv6,
      value: generalNodeRecord(node),
    });
    for (const user of this.#directed.usersOf(node)) this.#directed.updateDesired(step, user);
  }

  #drop(step: Step, node: GeneralNode): void {
    this.#options.counters.count('general-ended');
    this.#generalNodes.remove(node);
    step.out.push({ kind: 'set-desired', key: desiredKey(node), part: undefined });
    forget(step, node);
    for (const user of this.#directed.usersOf(node)) this.#directed.release(step, user, node);
  }

  /** Withdraws real addresses that the relay refuses now. */
  withdraw(step: Step, refuses: (real: IpAddress) => boolean): void {
    for (const node of this.#generalNodes.all()) {
      if (!node.withdraw(refuses)) continue;
      this.#options.counters.count('general-forbidden');
      this.#update(step, node);
    }
  }

  /** Restores a stored general node. Returns whether the relay may still serve it. */
  restore(step: Step, node: GeneralNode): boolean {
    const { destinations } = this.#options;
    node.withdraw((real) => destinations.refuses(real));
    const mayServe = this.#areGeneral(node) && !this.#generalNodes.conflicts(node);
    if (!mayServe || (node.ipv6.real === undefined && node.ipv4.real === undefined)) {
      forget(step, node);
      return false;
    }
    this.#generalNodes.add(node, this.#directed.hasAttachedUser(node));
    setDesiredGeneral(step, node);
    return true;
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#generalNodes.all()].map((node) => {
      const { name, virtualIpv6, virtualIpv4, ipv6, ipv4 } = node;
      return {
        ...{ name, virtualIpv6, ...(virtualIpv4 === undefined ? {} : { virtualIpv4 }) },
        ...(ipv6.real === undefined ? {} : { realIpv6: ipv6.real }),
        ...(ipv4.real === undefined ? {} : { realIpv4: ipv4.real }),
        translated: [...(ipv6.translated ? [6] : []), ...(ipv4.translated ? [4] : [])],
        nodes: this.#directed.usersOf(node).length,
      };
    });
  }
}

function setDesiredGeneral({ out }: Step, node: GeneralNode): void {
  out.push({ kind: 'set-desired', key: desiredKey(node), part: node.part() });
}

function forget({ out }: Step, { virtualIpv6 }: GeneralNode): void {
  out.push({ kind: 'persist', table: GENERAL_NODES_TABLE, key: virtualIpv6, value: undefined });
}

function desiredKey({ virtualIpv6 }: GeneralNode): string {
  return `general-node ${virtualIpv6}`;
}
