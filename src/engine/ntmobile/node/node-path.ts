/**
 * A path to another node: the session with it, over the relay at once, directly as soon as a check
 * was answered, over the relay again when it is not.
 *
 * No RFC: docs/ntmobile.md §6 (Path Challenge, Path Response), design of the handover:
 * authenticated, checked before data follows
 *
 * Who moved says so by a challenge with its candidates over the relay. The other one knows a move
 * by host candidates that it has not seen, and sends over the relay until a direct way answered
 * again. Transactions rise within a session, so an old challenge that comes late changes nothing.
 */
import { equalBytes, hex } from '#base/bytes.ts';
import type { IpAddress, Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { RandomBytes } from '#engine/contract.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { sameFarEnd, type Way } from '#engine/ntmobile/common/udp-path.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile-message.ts';
import {
  CandidateKind,
  type Endpoint,
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile-options.ts';
import { type Attachment, placeTowards } from './attachment.ts';
import { type DirectWay, DirectWays, wayKey } from './direct-paths.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { RelayLink } from './relay-link.ts';
import type { NodePurpose, PathPurpose } from './request-purposes.ts';

const CHECK_MS = 2_500;
/** Between checks over the relay, while data goes there; longer when the last one had no answer. */
const RELAYED_LIVENESS_MS = 5_000;
const SILENT_RETRY_MS = 15_000;
/**
 * The relay may still be moving our leg when what comes right behind our Keep Alive is there, and
 * drop it.
 */
const ANNOUNCEMENT_MS = 30;

/** Another node, as its credential says. */
export interface OtherNode {
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address;
}

/** What a path needs of its node. */
export interface PathContext {
  readonly sessions: Sessions<NodePurpose>;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  readonly random: RandomBytes;
  readonly port: number;
  attachment(): Attachment;
  /** Where others may find this node. */
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
  /** The path's way or keys are others now. */
  changed(now: Monotonic, path: NodePath): void;
  /** The other node does not answer over the relay: it may know nothing of the path any more. */
  silent(now: Monotonic, path: NodePath): void;
}

export class NodePath {
  readonly pathId: Uint8Array;
  readonly id: string;
  readonly other: OtherNode;
  readonly initiator: boolean;
  relay: RelayLink | undefined;
  session: Session | undefined;
  /**
   * Keys that the other node may use any moment, before the first ones stand: its data may overtake
   * its word.
   */
  offered: Session | undefined;
  /**
   * The other node made another path, maybe because it knows no more of this one: used only when
   * there is no better one, until it answers.
   */
  doubted = false;
  /** The last check over the relay had no answer, and nothing else came since. */
  silent = false;
  readonly #context: PathContext;
  readonly #ways = new DirectWays();
  #hosts = '';
  #newestTransaction: number | undefined;
  #used: Way | undefined;
  #relayedCheckAt: Monotonic = NEVER;

  constructor(context: PathContext, pathId: Uint8Array, other: OtherNode, initiator: boolean) {
    this.#context = context;
    this.pathId = pathId;
    this.id = hex(pathId);
    this.other = other;
    this.initiator = initiator;
  }

  deadline(): Monotonic {
    return this.session?.current === undefined
      ? NEVER
      : earliest(this.#ways.deadline(), this.#relayedCheckAt);
  }

  /** Where data goes: the best direct way, else the relay; undefined: nowhere at present. */
  way(): Way | undefined {
    const best = this.#ways.best;
    return (
      (best === undefined ? undefined : this.#wayTo(best.endpoint)) ?? this.relay?.wayOf(this.id)
    );
  }

  get direct(): boolean {
    return this.#ways.best !== undefined;
  }

  get roundTripMs(): number | undefined {
    return this.#ways.best?.roundTripMs;
  }

  #wayTo({ address, port }: Endpoint): Way | undefined {
    const place = placeTowards(this.#context.attachment(), address);
    if (place === undefined) return undefined;
    return {
      local: place.address,
      localPort: this.#context.port,
      remote: address,
      remotePort: port,
      relayIndex: 0,
    };
  }

  /** What a direction, or the other node itself, says of where it is. */
  told(now: Monotonic, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    if (candidates.length === 0) return;
    const hosts = hostsOf(candidates);
    const elsewhere = this.#hosts !== '' && hosts !== this.#hosts;
    this.#hosts = hosts;
    if (elsewhere) this.#ways.doubtAll(now);
    this.#ways.offered(now, candidates);
    if (elsewhere) this.#settle(now);
  }

  established(now: Monotonic, session: Session): void {
    this.session = session;
    this.offered = undefined;
    this.#heard(now);
    this.#newestTransaction = undefined;
    this.#settle(now);
    this.#context.changed(now, this);
    this.tick(now);
  }

  /** Asks whether the other node still has the keys. */
  doubt(now: Monotonic): void {
    const way = this.way();
    if (this.session?.current === undefined || way === undefined) return;
    this.doubted = true;
    this.#challenge(now, way, '');
  }

  /** This node is elsewhere. The relay has been told. */
  moved(now: Monotonic): void {
    this.#ways.doubtAll(now);
    this.#settle(now);
    this.announce(now, ANNOUNCEMENT_MS);
    this.tick(now);
  }

  /** Tells the other node over the relay where this one may be found. */
  announce(now: Monotonic, retransmissionMs?: number): void {
    const way = this.relay?.wayOf(this.id);
    if (way !== undefined) this.#challenge(now, way, '', retransmissionMs);
  }

  tick(now: Monotonic): void {
    if (this.session?.current === undefined) return;
    for (const way of this.#ways.takeDue(now)) this.#check(now, way);
    if (this.#relayedCheckAt <= now) this.#checkRelayed(now);
  }

  /** A direct way has checks of its own. */
  #checkRelayed(now: Monotonic): void {
    const way = this.way();
    const relayed = way !== undefined && way.relayIndex !== 0;
    this.#relayedCheckAt = relayed ? NEVER : after(now, RELAYED_LIVENESS_MS);
    if (relayed) this.#challenge(now, way, '');
  }

  #heard(now: Monotonic): void {
    this.silent = false;
    this.#relayedCheckAt = after(now, RELAYED_LIVENESS_MS);
  }

  #check(now: Monotonic, way: DirectWay): void {
    const to = this.#wayTo(way.endpoint);
    if (to === undefined) this.#ways.checked(now, way, undefined);
    else this.#challenge(now, to, way.key);
  }

  #challenge(now: Monotonic, way: Way, key: string, retransmissionMs?: number): void {
    const { sessions, random } = this.#context;
    if (this.session?.current === undefined) return;
    const challenge = random(8);
    const options: readonly NtmobileOption[] = [
      { type: 'challenge', challenge },
      ...this.#context.candidates(),
    ];
    const purpose = { part: 'path', path: this.id, way: key, challenge, sentAt: now } as const;
    const times = {
      attemptMs: CHECK_MS,
      ...(retransmissionMs === undefined ? {} : { retransmissionMs }),
    };
    sessions.request(
      now,
      this.session,
      { type: 'path-challenge', options, way, ...times },
      purpose,
    );
  }

  /** The other node's challenge. */
  challenged(now: Monotonic, message: NtmobileMessage, way: Way): NtmobileMessage {
    const { options, transaction } = message;
    this.#heard(now);
    if (this.#isNewest(transaction)) this.told(now, filterNtmobileOptions(options, 'candidate'));
    if (way.relayIndex === 0) this.seenAt(now, { address: way.remote, port: way.remotePort });
    return pathResponse(message, way);
  }

  #isNewest(transaction: number): boolean {
    const newest = this.#newestTransaction;
    if (newest !== undefined && (transaction - newest) >>> 0 >= 0x8000_0000) return false;
    this.#newestTransaction = transaction;
    return true;
  }

  /** Something that it sealed came from there. */
  seenAt(now: Monotonic, endpoint: Endpoint): void {
    const way = this.#ways.add(now, endpoint);
    if (way === undefined) return;
    this.#ways.hurry(now, way);
    this.tick(now);
  }

  answered(
    now: Monotonic,
    purpose: PathPurpose,
    answer: NtmobileMessage | undefined,
    from: Way | undefined,
  ): void {
    if (answer !== undefined) this.#heard(now);
    else if (purpose.way === '') this.#unanswered(now);
    if (this.doubted && answer !== undefined) {
      this.doubted = false;
      this.#context.changed(now, this);
    }
    const way = this.#ways.get(purpose.way);
    if (way === undefined) return;
    const right = this.#isRight(purpose, answer, from, way);
    if (right && way.roundTripMs === undefined) this.#context.counters.count('way-found');
    if (!right && way.roundTripMs !== undefined) this.#context.counters.count('way-lost');
    if (this.#ways.checked(now, way, right ? now - purpose.sentAt : undefined)) this.#settle(now);
  }

  #unanswered(now: Monotonic): void {
    this.#relayedCheckAt = after(now, SILENT_RETRY_MS);
    if (this.direct || this.way() === undefined) return;
    this.silent = true;
    this.#context.silent(now, this);
  }

  #isRight(
    { challenge }: PathPurpose,
    answer: NtmobileMessage | undefined,
    from: Way | undefined,
    way: DirectWay,
  ) {
    if (answer?.status !== NtmobileStatus.granted || from === undefined) return false;
    const said = findNtmobileOption(answer.options, 'challenge')?.challenge;
    if (said === undefined || !equalBytes(said, challenge)) return false;
    return (
      from.relayIndex === 0 && wayKey({ address: from.remote, port: from.remotePort }) === way.key
    );
  }

  /** The leg at the relay came or went, or a direct way did. */
  settle(now: Monotonic): void {
    this.#settle(now);
  }

  #settle(now: Monotonic): void {
    const way = this.way();
    if (way !== undefined && this.session !== undefined) this.session.way = way;
    const same = way !== undefined && this.#used !== undefined && sameFarEnd(way, this.#used);
    if (same && way.local === this.#used?.local) return;
    if (way === undefined && this.#used === undefined) return;
    this.#used = way;
    this.#context.counters.count('way-changed');
    this.#context.changed(now, this);
  }

  /** Addresses by which applications know the other node. */
  get addresses(): readonly IpAddress[] {
    return [this.other.virtualIpv6, this.other.virtualIpv4];
  }
}

function hostsOf(candidates: readonly NtmobileOptionOf<'candidate'>[]): string {
  const hosts = candidates
    .filter(({ kind }) => kind === CandidateKind.host)
    .map(({ endpoint }) => wayKey(endpoint));
  return hosts.sort().join(', ');
}
