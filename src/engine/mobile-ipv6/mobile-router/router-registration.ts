/**
 * The mobile router's part in the registration of one home: its prefixes, and its reaction to a
 * home agent that does not serve them.
 *
 * RFC 3963 §5.1    R flag and prefixes of the registration
 * RFC 3963 §5.2    R flag; explicit and implicit mode
 * RFC 3963 §5.3    an acceptance without R: a home agent that does not serve mobile routers
 * RFC 3963 §5.4    statuses 140 to 143 by mode: the next home agent, the next mode, finally silence
 * RFC 3963 §5.8    no prefixes in a de-registration
 * RFC 5555 §3.1.1  an IPv4 prefix is requested by its own IPv4 Home Address option with the P flag
 *                  (prefix-answers.ts: its answer)
 * Left out: requesting an IPv4 prefix that is not configured (0.0.0.0), because the mobile network
 * could not be numbered from it; routing protocols in the tunnel (RFC 3963 §8). A silent home agent
 * has not refused: if all others have, it is asked again at the pace of the back-off.
 */
import { formatPrefix, type IpAddress, isIpv4, isIpv6, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Acknowledgement } from '#engine/mobile-ipv6/mobile-node/binding/acknowledgement.ts';
import type {
  HomeRole,
  Ipv4Answer,
  RefusedAttempt,
  RoleOptions,
  RoleReaction,
} from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { BINDING_STATUSES, bindingStatusName } from '#wire/mobility/binding-status.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import type { RegistrationMode, RouterHome } from './configuration.ts';
import { homeAddressAnswer, refusedPrefixes } from './prefix-answers.ts';

const NOT_PERMITTED = BINDING_STATUSES['mobile-router-operation-not-permitted'].code;
const INVALID_PREFIX = BINDING_STATUSES['invalid-prefix'].code;
const NOT_AUTHORIZED = BINDING_STATUSES['not-authorized-for-prefix'].code;
const SETUP_FAILED = BINDING_STATUSES['forwarding-setup-failed'].code;

/**
 * RFC 3963 §5.4.1, §5.4.2: the home agents and modes that a status rules out.
 *
 * - `agent`: this home agent serves no routers, or not this one, in any mode; another may.
 * - `agent-in-mode`: another home agent may serve the router in this mode; after the last of them
 *   the next mode.
 * - `mode`: no home agent should send it in this mode: the next mode.
 */
type RefusalScope = 'agent' | 'agent-in-mode' | 'mode';
const REFUSAL_SCOPES: Readonly<Record<RegistrationMode, Readonly<Record<number, RefusalScope>>>> = {
  implicit: {
    [NOT_PERMITTED]: 'agent',
    [INVALID_PREFIX]: 'mode',
    [NOT_AUTHORIZED]: 'mode',
    [SETUP_FAILED]: 'agent-in-mode',
  },
  explicit: {
    [NOT_PERMITTED]: 'agent',
    [INVALID_PREFIX]: 'agent-in-mode',
    [NOT_AUTHORIZED]: 'agent-in-mode',
    [SETUP_FAILED]: 'mode',
  },
};

export class RouterRegistration implements HomeRole {
  readonly #home: RouterHome;
  readonly #options: Readonly<Record<RegistrationMode, readonly MobilityOption[]>>;
  #mode: RegistrationMode;
  /** Modes that no home agent served since the last acceptance. */
  readonly #triedModes = new Set<RegistrationMode>();
  /** Home agents that have refused the present mode. */
  readonly #refusedMode = new Set<IpAddress>();
  /** Home agents that have refused every mode. */
  readonly #refusedRouter = new Set<IpAddress>();
  #lastRefusal: string | undefined;
  #refusedIpv4: ReadonlySet<Prefix> = new Set();
  #carried: readonly Prefix[];

  constructor(home: RouterHome) {
    this.#home = home;
    this.#options = { implicit: [], explicit: optionsOf(home.mobileNetworkPrefixes) };
    this.#mode = this.#firstMode();
    this.#carried = home.mobileNetworkPrefixes;
  }

  #firstMode(): RegistrationMode {
    return this.#home.registrationModes[0] ?? 'explicit';
  }

  roleOptions(registering: boolean): RoleOptions {
    return { mobileRouter: true, options: registering ? this.#options[this.#mode] : [] };
  }

  isServed({ flags }: Acknowledgement): boolean {
    return flags.mobileRouter;
  }

  /** IPv4 prefixes that the present mode requests. */
  #requestedIpv4(): readonly Prefix[] {
    return this.#mode === 'implicit'
      ? []
      : this.#home.mobileNetworkPrefixes.filter(({ address }) => isIpv4(address));
  }

  ipv4HomeAddressAnswer({ options }: Acknowledgement): Ipv4Answer | undefined {
    return homeAddressAnswer(options, this.#home, this.#requestedIpv4());
  }

  applyAcceptance({
    options,
  }: Acknowledgement): readonly { readonly prefix: Prefix; readonly status: string }[] {
    this.#retry();
    const refused = refusedPrefixes(options, this.#home, this.#requestedIpv4());
    const fresh = [...refused].filter(([prefix]) => !this.#refusedIpv4.has(prefix));
    this.#refusedIpv4 = new Set(refused.keys());
    this.#carried = this.#home.mobileNetworkPrefixes.filter((prefix) => !refused.has(prefix));
    return fresh.map(([prefix, status]) => ({ prefix, status }));
  }

  /** All home agents and modes may be tried, the present mode first. */
  #retry(): void {
    this.#triedModes.clear();
    this.#refusedMode.clear();
    this.#refusedRouter.clear();
    this.#lastRefusal = undefined;
  }

  reactionToRefusal(
    status: number | undefined,
    { homeAgent, knownAddresses, nameResolvedNow }: RefusedAttempt,
  ): RoleReaction | undefined {
    // A home agent that serves no routers counts as one that does not permit it.
    const scope = status === undefined ? 'agent' : REFUSAL_SCOPES[this.#mode][status];
    if (scope === undefined) return undefined;
    this.#lastRefusal =
      status === undefined ? 'mobile-router-not-supported' : bindingStatusName(status);
    if (scope === 'mode') return this.#nextMode();
    const refused = scope === 'agent' ? this.#refusedRouter : this.#refusedMode;
    refused.add(homeAgent);
    if (knownAddresses.some((one) => !this.skips(one))) return 'next-home-agent';
    if (!nameResolvedNow) return 'resolve-again';
    // If the operator configured its inner address only, it is among the known addresses of no
    // family.
    return [homeAgent, ...knownAddresses].every((one) => this.#refusedRouter.has(one))
      ? 'stop'
      : this.#nextMode();
  }

  skips(homeAgent: IpAddress): boolean {
    return this.#refusedMode.has(homeAgent) || this.#refusedRouter.has(homeAgent);
  }

  #nextMode(): RoleReaction {
    this.#triedModes.add(this.#mode);
    const next = this.#home.registrationModes.find((mode) => !this.#triedModes.has(mode));
    if (next === undefined) return 'stop';
    this.#refusedMode.clear();
    this.#mode = next;
    return 'next-mode';
  }

  reset(): void {
    this.#retry();
    this.#mode = this.#firstMode();
  }

  registeredPrefixes(): { readonly mobileRouter: boolean; readonly prefixes: readonly Prefix[] } {
    return { mobileRouter: true, prefixes: this.#mode === 'explicit' ? this.#carried : [] };
  }

  tunnelledPrefixes(): readonly Prefix[] {
    return this.#carried;
  }

  status(): JsonObject {
    return {
      registrationMode: this.#mode,
      mobileNetworkPrefixes: this.#home.mobileNetworkPrefixes.map((prefix) => ({
        prefix: formatPrefix(prefix),
        refused: this.#refusedIpv4.has(prefix),
      })),
      lastRefusal: this.#lastRefusal ?? null,
    };
  }
}

function optionsOf(prefixes: readonly Prefix[]): readonly MobilityOption[] {
  const options: MobilityOption[] = [];
  for (const { address, length } of prefixes) {
    if (isIpv6(address))
      options.push({ type: 'mobile-network-prefix', prefixLength: length, prefix: address });
  }
  for (const { address, length } of prefixes) {
    if (isIpv4(address))
      options.push({
        type: 'ipv4-home-address',
        prefixLength: length,
        requestPrefix: true,
        address,
      });
  }
  return options;
}
