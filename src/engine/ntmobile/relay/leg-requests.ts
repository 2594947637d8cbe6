/**
 * Requests of nodes for legs: Relay Attach with a coordinator's token, and Release.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Attach, Release), §7, §9
 */
import { hex } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import { openRelayToken, type RelayToken } from '#crypto/relay-token.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { fairShare } from '#engine/common/fair-share.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-node.ts';
import type { RelayLimits } from './configuration.ts';
import type { FirstDatagrams } from './first-datagrams.ts';
import type { Legs, RelayLeg } from './legs.ts';
import type { RelayCounter } from './reasons.ts';

/** The share of the free legs that the paths of one node may take, however few are free. */
const SHARE = { divisor: 16, least: 8 } as const;

interface LegRequestsOptions {
  limits(): Pick<RelayLimits, 'maximumLegs' | 'maximumLegsOfNode'>;
  /** Keys of the coordinators' tokens. */
  tokenKeys(): readonly Uint8Array[];
  readonly legs: Legs;
  readonly firstDatagrams: FirstDatagrams;
  readonly counters: CounterSet<RelayCounter>;
  readonly clock: WallClock;
}

export class LegRequests {
  readonly #options: LegRequestsOptions;

  constructor(options: LegRequestsOptions) {
    this.#options = options;
  }

  attach(step: Step, node: AttachedNode, received: ReceivedMessage): NtmobileMessage {
    const { message: request, udpPath } = received;
    const { legs, counters } = this.#options;
    const token = this.#tokenOf(step.now, node, request);
    if (token === undefined)
      return this.#refuse(request, NtmobileStatus.wrongToken, 'attach-wrong-token');
    const { pathId, role, rateKilobits } = token;
    const fields = { pathId, role, node, rateKilobits, peerId: hex(token.peerId) };
    const known = legs.find(fields);
    if (known === undefined) {
      legs.supersede(step, fields);
      const excess = this.#excess(role === DirectionRole.initiator ? node.nodeId : fields.peerId);
      if (excess !== undefined) return this.#refuse(request, NtmobileStatus.busy, excess);
    }
    const leg = known ?? legs.add(step, fields);
    legs.setRate(step, leg, rateKilobits);
    counters.count('attached');
    const observed = { address: udpPath.remote, port: udpPath.remotePort };
    return respond(request, NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      { type: 'relay-index', index: leg.index },
      { type: 'observed-endpoint', endpoint: observed },
      ...this.#takeFirstDatagram(step, leg, request),
    ]);
  }

  /** The reason why no leg may be added for the node that asked for its path. */
  #excess(payer: string): RelayCounter | undefined {
    const { legs, limits } = this.#options;
    const { maximumLegs, maximumLegsOfNode } = limits();
    if (legs.size >= maximumLegs) return 'attach-limit';
    const table = { maximum: maximumLegs, used: legs.size };
    const share = fairShare(table, { ...SHARE, most: maximumLegsOfNode });
    return legs.countOfPayer(payer) < share ? undefined : 'attach-share';
  }

  /** Returns the option that confirms an accepted first datagram. */
  #takeFirstDatagram(
    step: Step,
    leg: RelayLeg,
    { options }: NtmobileMessage,
  ): readonly NtmobileOption[] {
    const { firstDatagrams } = this.#options;
    const first = findNtmobileOption(options, 'first-datagram')?.datagram;
    const taken = first !== undefined && firstDatagrams.take(step, leg, first);
    firstDatagrams.forward(step, leg);
    return taken ? [{ type: 'first-datagram', datagram: new Uint8Array(0) }] : [];
  }

  /** The token of an attach request, if a coordinator of this relay made it for this node. */
  #tokenOf(
    now: Monotonic,
    { nodeId }: AttachedNode,
    { options }: NtmobileMessage,
  ): RelayToken | undefined {
    const octets = findNtmobileOption(options, 'relay-token')?.token;
    if (octets === undefined) return undefined;
    const nowSeconds = BigInt(Math.floor(this.#options.clock.wallAt(now) / 1000));
    const { initiator, responder } = DirectionRole;
    for (const key of this.#options.tokenKeys()) {
      const token = openRelayToken(key, octets, nowSeconds);
      if (token === undefined) continue;
      const hasLegRole = token.role === initiator || token.role === responder;
      return hasLegRole && hex(token.nodeId) === nodeId ? token : undefined;
    }
    return undefined;
  }

  release(step: Step, node: AttachedNode, { options }: NtmobileMessage): void {
    const { legs, counters } = this.#options;
    const pathId = hex(findNtmobileOption(options, 'path-id')?.pathId ?? new Uint8Array(0));
    for (const leg of legs.ofNode(node)) {
      if (hex(leg.pathId) !== pathId) continue;
      counters.count('released');
      legs.remove(step, leg);
    }
  }

  #refuse(request: NtmobileMessage, status: number, reason: RelayCounter): NtmobileMessage {
    this.#options.counters.count(reason);
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
