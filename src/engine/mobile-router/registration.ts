/**
 * What a mobile router adds to the registration of one home: its prefixes, and what it does when they are not served.
 *
 * RFC 3963 §5.2    R flag; explicit and implicit mode
 * RFC 3963 §5.3    an acceptance without R: a home agent that does not serve mobile routers
 * RFC 3963 §5.4    statuses 140 to 143 by mode: the next home agent, the next mode, in the end silence
 * RFC 3963 §5.8    no prefixes in a de-registration
 * RFC 5555 §3.1.1  an IPv4 prefix is asked for by an IPv4 Home Address option of its own with the P flag;  §3.2.1 its acknowledgement
 * Left out: asking for an IPv4 prefix that is not configured (0.0.0.0), which the mobile network could not be numbered from; routing
 * protocols in the tunnel (RFC 3963 §8).
 */
import { formatPrefix, type IpAddress, isIpv4, isIpv6, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#engine/contract.ts';
import type { Acknowledgement } from '#engine/mobile-node/acknowledgement.ts';
import type { UpdateAdditions } from '#engine/mobile-node/binding-update.ts';
import type { Purpose } from '#engine/mobile-node/exchange.ts';
import type { Asked, HomeRole, RoleReaction } from '#engine/mobile-node/home-role.ts';
import { BINDING_STATUSES, ipv4AddressStatusName, rejects } from '#wire/binding-status.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility-options.ts';
import type { RegistrationMode, RouterHome } from './configuration.ts';

const NOT_PERMITTED = BINDING_STATUSES['mobile-router-operation-not-permitted'].code;
const INVALID_PREFIX = BINDING_STATUSES['invalid-prefix'].code;
const NOT_AUTHORIZED = BINDING_STATUSES['not-authorized-for-prefix'].code;
const SETUP_FAILED = BINDING_STATUSES['forwarding-setup-failed'].code;

/**
 * RFC 3963 §5.4.1, §5.4.2: what a status says in each mode.
 *
 * - `agent`: another home agent may serve us; after the last of them no mode is of use.
 * - `agent-then-mode`: another home agent; after the last of them the next mode.
 * - `mode`: no home agent should send it in this mode: the next mode.
 */
const MEANING: Readonly<Record<RegistrationMode, Readonly<Record<number, 'agent' | 'agent-then-mode' | 'mode'>>>> = {
  implicit: {
    [NOT_PERMITTED]: 'agent',
    [INVALID_PREFIX]: 'mode',
    [NOT_AUTHORIZED]: 'mode',
    [SETUP_FAILED]: 'agent-then-mode',
  },
  explicit: {
    [NOT_PERMITTED]: 'agent',
    [INVALID_PREFIX]: 'agent-then-mode',
    [NOT_AUTHORIZED]: 'agent-then-mode',
    [SETUP_FAILED]: 'mode',
  },
};

export class RouterRegistration implements HomeRole {
  readonly #home: RouterHome;
  readonly #ipv4: readonly Prefix[];
  readonly #options: Readonly<Record<RegistrationMode, readonly MobilityOption[]>>;
  /** Place in the list of modes. */
  #mode = 0;
  /** Home agents that have refused the mode. */
  readonly #tried = new Set<IpAddress>();
  readonly #refusedIpv4 = new Set<Prefix>();
  #carried: readonly Prefix[];

  constructor(home: RouterHome) {
    this.#home = home;
    this.#ipv4 = home.mobileNetworkPrefixes.filter(({ address }) => isIpv4(address));
    this.#options = { implicit: [], explicit: optionsOf(home.mobileNetworkPrefixes) };
    this.#carried = home.mobileNetworkPrefixes;
  }

  /** The mode of the next Binding Update. */
  get mode(): RegistrationMode {
    return this.#home.registrationModes[this.#mode] ?? 'explicit';
  }

  additions(purpose: Purpose): UpdateAdditions {
    return { mobileRouter: true, options: purpose === 'register' ? this.#options[this.mode] : [] };
  }

  served({ flags }: Acknowledgement): boolean {
    return flags.mobileRouter;
  }

  accept(acknowledgement: Acknowledgement): readonly { readonly prefix: Prefix; readonly status: string }[] {
    this.#tried.clear();
    if (this.mode === 'implicit') return [];
    const known = this.#refusedIpv4.size;
    const answers = filterOptions(acknowledgement.options, 'ipv4-address-acknowledgement');
    // The answer to the IPv4 home address, which was asked for first, comes before those to the prefixes.
    const offset = this.#home.ipv4HomeAddress === 'none' ? 0 : 1;
    const refused: { readonly prefix: Prefix; readonly status: string }[] = [];
    this.#ipv4.forEach((prefix, index) => {
      const answer = answers[index + offset];
      const granted =
        answer !== undefined &&
        !rejects(answer.status) &&
        answer.address === prefix.address &&
        answer.prefixLength === prefix.length;
      if (granted) this.#refusedIpv4.delete(prefix);
      else if (!this.#refusedIpv4.has(prefix)) {
        this.#refusedIpv4.add(prefix);
        refused.push({ prefix, status: refusalOf(answer) });
      }
    });
    if (refused.length > 0 || known !== this.#refusedIpv4.size) {
      this.#carried = this.#home.mobileNetworkPrefixes.filter((prefix) => !this.#refusedIpv4.has(prefix));
    }
    return refused;
  }

  refused(status: number | undefined, { homeAgent, known }: Asked): RoleReaction | undefined {
    // A home agent that serves no routers is as good as one that does not permit it.
    const meaning = status === undefined ? 'agent' : MEANING[this.mode][status];
    if (meaning === undefined) return undefined;
    if (meaning !== 'mode') {
      this.#tried.add(homeAgent);
      if (this.#tried.size < known) return 'other-home-agent';
      if (meaning === 'agent') return 'stop';
    }
    this.#tried.clear();
    if (this.#mode + 1 >= this.#home.registrationModes.length) return 'stop';
    this.#mode += 1;
    return 'ask-otherwise';
  }

  reset(): void {
    this.#mode = 0;
    this.#tried.clear();
    this.#refusedIpv4.clear();
    this.#carried = this.#home.mobileNetworkPrefixes;
  }

  carried(): readonly Prefix[] {
    return this.#carried;
  }

  status(): JsonObject {
    return {
      registrationMode: this.mode,
      mobileNetworkPrefixes: this.#home.mobileNetworkPrefixes.map((prefix) => ({
        prefix: formatPrefix(prefix),
        refused: this.#refusedIpv4.has(prefix),
      })),
    };
  }
}

function refusalOf(answer: { readonly status: number } | undefined): string {
  if (answer === undefined) return 'not-answered';
  return rejects(answer.status) ? ipv4AddressStatusName(answer.status) : 'another-prefix';
}

function optionsOf(prefixes: readonly Prefix[]): readonly MobilityOption[] {
  const options: MobilityOption[] = [];
  for (const { address, length } of prefixes) {
    if (isIpv6(address)) options.push({ type: 'mobile-network-prefix', prefixLength: length, prefix: address });
  }
  for (const { address, length } of prefixes) {
    if (isIpv4(address))
      options.push({ type: 'ipv4-home-address', prefixLength: length, requestPrefix: true, address });
  }
  return options;
}
