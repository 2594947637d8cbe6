/**
 * The uplinks of the host as one home sees them: which care-of address is the best, which ones
 * come after it, and which ones were silent.
 *
 * RFC 6275 §11.5.3  selection of the care-of address;  RFC 5555 §4.4.1 silent address families
 */
import { isUniqueLocal, networkOf, type Prefix, prefixContains } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  type CareOfCandidate,
  HOME_ROUTER_WAIT_MS,
  uplinkText,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import {
  alternativesTo,
  type Pin,
  preferredTo,
  type SelectionRules,
  selectCareOfAddress,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-selection.ts';
import type { HomeAgentAddresses } from './home-agent-addresses.ts';
import { SilentPaths } from './silent-paths.ts';

type HomeNetwork = Pick<
  HomeConfiguration,
  'virtualHomeNetwork' | 'homePrefix' | 'ipv4HomeAddress' | 'ipv4HomeLink'
>;

/** The parts of the home that the choice depends on. */
interface UplinkUser {
  readonly configuration: HomeNetwork;
  readonly node: {
    readonly configuration: { readonly preferIpv4: boolean; readonly failBackSeconds: number };
    readonly movement: {
      candidates(now: Monotonic): readonly CareOfCandidate[];
      recheck(at: Monotonic): void;
    };
  };
  readonly homeAgents: HomeAgentAddresses;
}

function ipv4HomePrefix({ ipv4HomeAddress, ipv4HomeLink }: HomeNetwork): Prefix | undefined {
  if (ipv4HomeLink === undefined || ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic')
    return undefined;
  const { prefixLength: length } = ipv4HomeLink;
  return { address: networkOf(ipv4HomeAddress, length), length };
}

export class Uplinks {
  readonly #home: UplinkUser;
  readonly #silent = new SilentPaths();
  #pinned: Pin | undefined;
  #seen: ReadonlySet<string> = new Set();

  constructor(home: UplinkUser) {
    this.#home = home;
  }

  /** Prefers a care-of address while it is usable; undefined restores the selection rules. */
  pin(pin: Pin | undefined): void {
    this.#pinned = pin;
    this.forgive();
  }

  /** The operator acted: every uplink may be used again. */
  forgive(): void {
    this.#silent.forgive();
  }

  /** Says whether some uplink was not among those of the last call. */
  update(candidates: readonly CareOfCandidate[]): boolean {
    const before = this.#seen;
    this.#seen = new Set(candidates.map(uplinkText));
    return !this.#seen.isSubsetOf(before);
  }

  // --- choice ---

  /** An address inside the home prefix is none off the home link, however long it remains. */
  candidates(now: Monotonic): readonly CareOfCandidate[] {
    const { configuration, node } = this.#home;
    const candidates = node.movement.candidates(now);
    if (configuration.virtualHomeNetwork) return candidates;
    const ipv4Prefix = ipv4HomePrefix(configuration);
    return candidates.filter(({ address, appearedAt }) => {
      if (prefixContains(configuration.homePrefix, address)) return false;
      if (ipv4Prefix === undefined || !prefixContains(ipv4Prefix, address)) return true;
      const usableAt = after(appearedAt, HOME_ROUTER_WAIT_MS);
      if (now < usableAt) node.movement.recheck(usableAt);
      return now >= usableAt;
    });
  }

  select(
    candidates: readonly CareOfCandidate[],
    current: CareOfCandidate | undefined,
  ): CareOfCandidate | undefined {
    return selectCareOfAddress(candidates, this.#rules(current));
  }

  /** The other uplinks, in the order in which they are tried. */
  alternatives({ now }: Step, current: CareOfCandidate): readonly CareOfCandidate[] {
    return alternativesTo(current, this.candidates(now), this.#rules(current));
  }

  /** Care-of addresses that are better than the current one if they work, which is not known. */
  preferred({ now }: Step, current: CareOfCandidate): readonly CareOfCandidate[] {
    return preferredTo(current, this.candidates(now), this.#rules(current));
  }

  #rules(current: CareOfCandidate | undefined): SelectionRules {
    const { homeAgents, node } = this.#home;
    const homeAgent = homeAgents.target(6);
    return {
      current,
      pinned: this.#pinned,
      families: homeAgents.families(),
      preferIpv4: node.configuration.preferIpv4,
      isSilent: (candidate) => this.#silent.isSilent(candidate),
      isUnproven: (candidate) => this.#silent.isUnproven(candidate),
      uniqueLocalUsable: homeAgent !== undefined && isUniqueLocal(homeAgent.address),
    };
  }

  // --- experience ---

  /** When a better uplink may be tried. */
  trialAt({ now }: Step, candidate: CareOfCandidate): Monotonic {
    return this.#silent.retryAt(candidate) ?? now;
  }

  /** Binding Updates over the uplink were not answered; says whether that is new. */
  recordSilence(step: Step, candidate: CareOfCandidate): boolean {
    if (this.#silent.isSilent(candidate)) return false;
    this.recordFailure(step, candidate);
    return true;
  }

  recordFailure({ now }: Step, candidate: CareOfCandidate): void {
    this.#silent.recordFailure(now, candidate, this.#failBackMs);
  }

  recordOutpaced({ now }: Step, candidate: CareOfCandidate): void {
    this.#silent.recordOutpaced(now, candidate, this.#failBackMs);
  }

  recordAnswer({ now }: Step, candidate: CareOfCandidate): void {
    this.#silent.recordAnswer(now, candidate);
  }

  get #failBackMs(): number {
    return this.#home.node.configuration.failBackSeconds * 1000;
  }

  /** For the operator: the silent uplinks. */
  describe(now: Monotonic): readonly JsonObject[] {
    return this.#silent.describe(now, this.candidates(now));
  }
}
