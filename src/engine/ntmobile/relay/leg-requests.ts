/**
 * What nodes ask of legs: to have one, by a coordinator's token, and to give it back.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Attach, Release), §7, §9
 */
import { hex } from '#base/bytes.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import { openRelayToken, type RelayToken } from '#crypto/relay-token.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-nodes.ts';
import type { RelayLimits } from './configuration.ts';
import type { FirstDatagrams } from './first-datagrams.ts';
import { type Legs, type RelayLeg, setDesiredLeg } from './legs.ts';
import type { RelayCounter } from './reasons.ts';

export class LegRequests {
  readonly #limits: () => RelayLimits;
  readonly #legs: Legs;
  readonly #firstDatagrams: FirstDatagrams;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #tokenKeys: () => readonly Uint8Array[];

  constructor(
    limits: () => RelayLimits,
    legs: Legs,
    firstDatagrams: FirstDatagrams,
    counters: CounterSet<RelayCounter>,
    tokenKeys: () => readonly Uint8Array[],
  ) {
    this.#limits = limits;
    this.#legs = legs;
    this.#firstDatagrams = firstDatagrams;
    this.#counters = counters;
    this.#tokenKeys = tokenKeys;
  }

  attach(
    now: Monotonic,
    wallNow: Wall,
    node: AttachedNode,
    request: NtmobileMessage,
    udpPath: UdpPath,
    out: Output[],
  ): NtmobileMessage {
    const token = this.#tokenOf(wallNow, node, request);
    if (token === undefined)
      return this.#refuse(request, NtmobileStatus.wrongToken, 'attach-wrong-token');
    const { pathId, role, rateKilobits } = token;
    const known = this.#legs.find(pathId, role);
    if (known !== undefined && known.node !== node) {
      return this.#refuse(request, NtmobileStatus.notAllowed, 'attach-taken');
    }
    const { maximumLegs, maximumLegsOfNode } = this.#limits();
    if (
      known === undefined &&
      (this.#legs.size >= maximumLegs || node.legs.size >= maximumLegsOfNode)
    ) {
      return this.#refuse(request, NtmobileStatus.busy, 'attach-limit');
    }
    const leg = known ?? this.#legs.add(now, { pathId, role, node }, rateKilobits, out);
    if (leg.rateKilobits !== rateKilobits) {
      leg.rateKilobits = rateKilobits;
      setDesiredLeg(leg, out);
    }
    this.#counters.count('attached');
    return respond(request, NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      { type: 'relay-index', index: leg.index },
      {
        type: 'observed-endpoint',
        endpoint: { address: udpPath.remote, port: udpPath.remotePort },
      },
      ...this.#passOn(now, leg, request),
    ]);
  }

  /**
   * What waits for this leg, and what came along with the request for it; the option says that this
   * was taken.
   */
  #passOn(now: Monotonic, leg: RelayLeg, { options }: NtmobileMessage): readonly NtmobileOption[] {
    const first = findNtmobileOption(options, 'first-datagram')?.datagram;
    const taken = first !== undefined && this.#firstDatagrams.take(now, leg, first);
    this.#firstDatagrams.pass(now, leg);
    return taken ? [{ type: 'first-datagram', datagram: new Uint8Array(0) }] : [];
  }

  /** The token of an attach request, where it is one of a coordinator of ours for this node. */
  #tokenOf(
    wallNow: Wall,
    { nodeId }: AttachedNode,
    { options }: NtmobileMessage,
  ): RelayToken | undefined {
    const octets = findNtmobileOption(options, 'relay-token')?.token;
    if (octets === undefined) return undefined;
    const nowSeconds = BigInt(Math.floor(wallNow / 1000));
    const { initiator, responder } = DirectionRole;
    for (const key of this.#tokenKeys()) {
      const token = openRelayToken(key, octets, nowSeconds);
      if (token === undefined) continue;
      const isEnd = token.role === initiator || token.role === responder;
      return isEnd && hex(token.nodeId) === nodeId ? token : undefined;
    }
    return undefined;
  }

  release(now: Monotonic, node: AttachedNode, { options }: NtmobileMessage, out: Output[]): void {
    const path = hex(findNtmobileOption(options, 'path-id')?.pathId ?? new Uint8Array(0));
    for (const leg of [...node.legs]) {
      if (hex(leg.pathId) !== path) continue;
      this.#counters.count('released');
      this.#legs.remove(now, leg, out);
    }
  }

  #refuse(request: NtmobileMessage, status: number, reason: RelayCounter): NtmobileMessage {
    this.#counters.count(reason);
    return respond(request, status);
  }
}

function respond(
  { transaction }: NtmobileMessage,
  status: number,
  options: readonly NtmobileOption[] = [],
): NtmobileMessage {
  return { type: 'relay-attach-response', answer: true, status, transaction, options };
}
