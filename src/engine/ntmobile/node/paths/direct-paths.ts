/**
 * Direct paths to a peer: endpoints where the peer may be, checked by challenges of both nodes, and
 * the one with the shortest round trip.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge and Response); follows the connectivity
 * checks of RFC 8445 §6, §7
 */
import { equalBytes } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  CandidateKind,
  type Endpoint,
  findNtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';

/** Between the first checks of two endpoints. */
const CHECK_PACING_MS = 20;
/**
 * Interval of checks of the direct path in use. A path without an answer for a whole attempt is
 * given up.
 */
const LIVENESS_MS = 5_000;
const UNUSED_CHECK_MS = 20_000;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;
const MAX_PATHS = 16;
/** Another direct path must be shorter by this factor to replace the one in use. */
const SWITCH_FACTOR = 0.8;

export interface DirectPath {
  readonly key: string;
  readonly endpoint: Endpoint;
  /** Measured by the last check with an answer; undefined while the endpoint does not answer. */
  roundTripMs: number | undefined;
  checking: boolean;
  /** The first check since the endpoint became known, or since a node moved. */
  isFirstCheck: boolean;
  /** Datagrams of the present check that the peer's budget paid for. */
  charged: number;
  nextAt: Monotonic;
  retryMs: number;
}

export function endpointKey({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

export class DirectPaths {
  readonly #paths = new Map<string, DirectPath>();
  #best: DirectPath | undefined;

  /** The direct path in use; undefined when no endpoint answers. */
  get best(): DirectPath | undefined {
    return this.#best;
  }

  get(key: string): DirectPath | undefined {
    return this.#paths.get(key);
  }

  all(): Iterable<DirectPath> {
    return this.#paths.values();
  }

  deadline(): Monotonic {
    let first: Monotonic = NEVER;
    for (const { nextAt } of this.#paths.values()) if (nextAt < first) first = nextAt;
    return first;
  }

  /** The endpoints that the peer names. Former ones are dropped unless they answer. */
  setCandidates(now: Monotonic, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    const keys = new Set(candidates.map(({ endpoint }) => endpointKey(endpoint)));
    for (const directPath of this.#paths.values()) {
      if (!keys.has(directPath.key) && directPath.roundTripMs === undefined)
        this.#paths.delete(directPath.key);
    }
    for (const { endpoint } of candidates) this.add(now, endpoint);
  }

  /** Adds an endpoint to check in its turn; undefined when too many are known. */
  add(now: Monotonic, endpoint: Endpoint): DirectPath | undefined {
    const key = endpointKey(endpoint);
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    if (this.#paths.size >= MAX_PATHS) return undefined;
    const nextAt = after(now, CHECK_PACING_MS * this.#paths.size);
    const directPath = {
      key,
      endpoint,
      roundTripMs: undefined,
      checking: false,
      isFirstCheck: true,
      charged: 0,
      nextAt,
      retryMs: FIRST_RETRY_MS,
    };
    this.#paths.set(key, directPath);
    return directPath;
  }

  /** A node moved: former results are void, and all endpoints are checked again. */
  invalidateAll(now: Monotonic): void {
    this.#best = undefined;
    for (const [at, directPath] of [...this.#paths.values()].entries()) {
      directPath.roundTripMs = undefined;
      directPath.retryMs = FIRST_RETRY_MS;
      directPath.isFirstCheck = true;
      directPath.nextAt = after(now, CHECK_PACING_MS * at);
    }
  }

  /** The peer sent a datagram from there: the check is due now. */
  checkNow(now: Monotonic, directPath: DirectPath): void {
    if (!directPath.checking && directPath.roundTripMs === undefined) directPath.nextAt = now;
  }

  /** Checks the direct path in use now; undefined if there is none or a check is under way. */
  takeBest(): DirectPath | undefined {
    const best = this.#best;
    if (best === undefined) return undefined;
    best.checking = true;
    best.nextAt = NEVER;
    return best;
  }

  /**
   * The direct path in use does not answer: others may have failed with it, and are checked now.
   * `relayed`: data goes through the relay until one of them answers.
   */
  bestLost(now: Monotonic, relayed: boolean): void {
    for (const directPath of this.#paths.values()) {
      if (directPath.roundTripMs === undefined) continue;
      if (!directPath.checking) directPath.nextAt = now;
      if (relayed) directPath.roundTripMs = undefined;
    }
    this.#best = this.#choose();
  }

  /** Direct paths whose check is due; they count as being checked. */
  takeDue(now: Monotonic): readonly DirectPath[] {
    const due = [...this.#paths.values()].filter(({ nextAt }) => nextAt <= now);
    for (const directPath of due) {
      directPath.checking = true;
      directPath.nextAt = NEVER;
    }
    return due;
  }

  /** Records the result of a check. Returns whether another direct path is the best one now. */
  checkCompleted(now: Monotonic, directPath: DirectPath, roundTripMs: number | undefined): boolean {
    directPath.checking = false;
    directPath.isFirstCheck = false;
    directPath.roundTripMs = roundTripMs;
    if (roundTripMs === undefined) {
      directPath.nextAt = after(now, directPath.retryMs);
      directPath.retryMs = Math.min(2 * directPath.retryMs, LONGEST_RETRY_MS);
    } else directPath.retryMs = FIRST_RETRY_MS;
    const previous = this.#best;
    this.#best = this.#choose();
    for (const each of this.#paths.values()) {
      if (each.roundTripMs === undefined || each.checking) continue;
      const wait = each === this.#best ? LIVENESS_MS : UNUSED_CHECK_MS;
      if (each === directPath || each.nextAt > after(now, wait)) each.nextAt = after(now, wait);
    }
    return this.#best !== previous;
  }

  #choose(): DirectPath | undefined {
    let best = this.#best?.roundTripMs === undefined ? undefined : this.#best;
    for (const directPath of this.#paths.values()) {
      if (directPath.roundTripMs === undefined) continue;
      if (
        best?.roundTripMs === undefined ||
        directPath.roundTripMs < SWITCH_FACTOR * best.roundTripMs
      )
        best = directPath;
    }
    return best;
  }
}

/** A response of the peer itself with the challenge, from the address that was challenged. */
export function isValidResponse(
  { challenge }: { readonly challenge: Uint8Array },
  answer: ReceivedMessage | undefined,
  directPath: DirectPath,
): boolean {
  if (answer?.message.status !== NtmobileStatus.granted) return false;
  const echoed = findNtmobileOption(answer.message.options, 'challenge')?.challenge;
  if (echoed === undefined || !equalBytes(echoed, challenge)) return false;
  const { relayIndex, remote, remotePort } = answer.udpPath;
  return relayIndex === 0 && endpointKey({ address: remote, port: remotePort }) === directPath.key;
}

export function hostsOf(candidates: readonly NtmobileOptionOf<'candidate'>[]): string {
  const hosts = candidates
    .filter(({ kind }) => kind === CandidateKind.host)
    .map(({ endpoint }) => endpointKey(endpoint));
  return hosts.sort().join(', ');
}
