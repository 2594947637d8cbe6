/**
 * The node's record of uplinks over which the home agent did not answer, and when each of them is
 * tried again.
 *
 * RFC 5555 §4.4.1  an address family in which the home agent was silent is avoided
 * An uplink is an interface with its router, in one address family: two uplinks may have addresses
 * in one prefix, and one prefix may have two routers. Silence ends when the carrier returns, when
 * the kernel confirms an address that it had not confirmed, when the operator says so, or when a
 * registration over the uplink is accepted. Each failure after that doubles the wait before the
 * next trial, so that an uplink that fails again and again rarely costs anything.
 */
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic } from '#base/time.ts';
import {
  type CareOfCandidate,
  uplinkText,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';

/** Uplinks remembered at most; the one that failed first is forgotten. */
const MAX_PATHS = 32;
/** The longest wait before the next trial, unless the configured one is longer. */
const MAX_RETRY_MS = 600_000;
/** Wait before a trial of an uplink that was only slower than another one. */
const OUTPACED_RETRY_MS = 5000;

interface Path {
  readonly epoch: number;
  readonly confirmed: boolean;
  /** Trials and uses in a row that ended in silence; 0 if the uplink was only slower. */
  readonly failures: number;
  readonly since: Monotonic;
  readonly retryAt: Monotonic;
  /** The home agent answered since; undefined while the uplink counts as silent. */
  readonly provenAt: Monotonic | undefined;
}

export class SilentPaths {
  readonly #paths = new Map<string, Path>();

  isSilent(candidate: CareOfCandidate): boolean {
    return this.#silent(candidate) !== undefined;
  }

  /** Nothing says yet that the uplink leads to the home agent. */
  isUnproven(candidate: CareOfCandidate): boolean {
    return !candidate.confirmed && this.#known(candidate)?.provenAt === undefined;
  }

  /** When a silent uplink may be tried again; undefined if it is not silent. */
  retryAt(candidate: CareOfCandidate): Monotonic | undefined {
    return this.#silent(candidate)?.retryAt;
  }

  #silent(candidate: CareOfCandidate): Path | undefined {
    const path = this.#known(candidate);
    return path?.provenAt === undefined ? path : undefined;
  }

  /** For the operator: the silent uplinks among the candidates. */
  describe(now: Monotonic, candidates: readonly CareOfCandidate[]): readonly JsonObject[] {
    const uplinks = new Map<string, JsonObject>();
    for (const candidate of candidates) {
      const path = this.#silent(candidate);
      if (path === undefined) continue;
      uplinks.set(uplinkText(candidate), {
        interface: candidate.device,
        gateway: candidate.gateway ?? null,
        family: candidate.family,
        failures: path.failures,
        silentSeconds: Math.round((now - path.since) / 1000),
        retrySeconds: Math.max(0, Math.ceil((path.retryAt - now) / 1000)),
      });
    }
    return [...uplinks.values()];
  }

  #known({ epoch, confirmed, ...uplink }: CareOfCandidate): Path | undefined {
    const path = this.#paths.get(uplinkText(uplink));
    return path?.epoch === epoch && path.confirmed === confirmed ? path : undefined;
  }

  /** The home agent does not answer over the uplink, which was in use or on trial. */
  recordFailure(now: Monotonic, candidate: CareOfCandidate, failBackMs: number): void {
    const known = this.#known(candidate);
    const failures = (known === undefined || this.#recovered(now, known) ? 0 : known.failures) + 1;
    this.#putSilent(now, candidate, failures, waitMs(failures, failBackMs));
  }

  /** The uplink was still asked when another one answered. */
  recordOutpaced(now: Monotonic, candidate: CareOfCandidate, failBackMs: number): void {
    const failures = this.#silent(candidate)?.failures ?? 0;
    this.#putSilent(now, candidate, failures, waitMs(failures, failBackMs));
  }

  /** An uplink that worked for longer than its last wait starts again from the shortest wait. */
  #recovered(now: Monotonic, { provenAt, since, retryAt }: Path): boolean {
    return provenAt !== undefined && now - provenAt > retryAt - since;
  }

  #putSilent(now: Monotonic, candidate: CareOfCandidate, failures: number, wait: number): void {
    const { epoch, confirmed } = candidate;
    const path = { epoch, confirmed, failures, since: now, retryAt: after(now, wait) };
    this.#put(candidate, { ...path, provenAt: undefined });
  }

  #put(candidate: CareOfCandidate, path: Path): void {
    const text = uplinkText(candidate);
    this.#paths.delete(text);
    this.#paths.set(text, path);
    const [oldest] = this.#paths.keys();
    if (this.#paths.size > MAX_PATHS && oldest !== undefined) this.#paths.delete(oldest);
  }

  /** The home agent accepted a registration over the uplink. */
  recordAnswer(now: Monotonic, candidate: CareOfCandidate): void {
    const { epoch, confirmed } = candidate;
    const fresh: Path = { epoch, confirmed, failures: 0, since: now, retryAt: now, provenAt: now };
    const path = this.#known(candidate);
    if (path === undefined && !confirmed) this.#put(candidate, fresh);
    else if (path !== undefined && path.provenAt === undefined)
      this.#put(candidate, { ...path, provenAt: now });
  }

  /** The operator has reason to believe that the uplinks work again. */
  forgive(): void {
    this.#paths.clear();
  }
}

function waitMs(failures: number, failBackMs: number): number {
  if (failures === 0) return Math.min(OUTPACED_RETRY_MS, failBackMs);
  return Math.min(failBackMs * 2 ** (failures - 1), Math.max(MAX_RETRY_MS, failBackMs));
}
