/**
 * The operator's commands to a home agent. No RFC: they show RFC 6275 §10.1's Binding Cache.
 */
import { formatPrefix, parseIpv6 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import { NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { encrypts } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import { registrationProtection } from '#engine/mobile-ipv6/common/registration-protection.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { Binding } from './bindings/binding.ts';
import type { Bindings } from './bindings/bindings.ts';
import { protectionOf, type Tunnel, type TunnelEndpoint } from './bindings/tunnels.ts';
import type { ClockWarning } from './clock-warning.ts';
import type { HomeLink } from './home-link/home-link.ts';
import type { Policy } from './registration-view.ts';
import type { PublishedKeys } from './sealed/published-keys.ts';

type Answer = { readonly ok: boolean; readonly value: JsonValue };
type Command = (step: Step, parameters: JsonObject) => Answer;

interface OperatorRequest {
  readonly id: number;
  readonly command: string;
  readonly parameters: JsonObject;
}

/** The state that the commands show and change. */
interface OperatorContext {
  readonly policy: Policy;
  readonly bindings: Bindings;
  readonly homeLink: HomeLink | undefined;
  /** Every counter of the engine. */
  allCounters(): Counters;
  readonly registrar: { readonly acknowledgements: Counters };
  readonly keys: Pick<PublishedKeys, 'isPostQuantum'>;
  readonly clockWarning: Pick<ClockWarning, 'behindSeconds'>;
  readonly enrolment: ReadonlyMap<string, Command>;
}

export class OperatorCommands {
  readonly #context: OperatorContext;
  readonly #commands: ReadonlyMap<string, Command>;

  constructor(context: OperatorContext) {
    this.#context = context;
    this.#commands = new Map<string, Command>([
      ['status', (step) => ({ ok: true, value: this.#status(step.now) })],
      ['bindings', (step) => ({ ok: true, value: this.#bindings(step.now) })],
      ['prefixes', () => ({ ok: true, value: this.#prefixes() })],
      ['tunnels', () => ({ ok: true, value: [...context.bindings.tunnels()].map(tunnelRow) })],
      ['stats', () => ({ ok: true, value: this.#stats() })],
      ['revoke', (step, parameters) => this.#revoke(step, parameters)],
      ...context.enrolment,
    ]);
  }

  /** Answers with exactly one `reply`. */
  handle(step: Step, { id, command, parameters }: OperatorRequest): void {
    const answer = this.#commands.get(command)?.(step, parameters) ?? {
      ok: false,
      value: `unknown command; known: ${[...this.#commands.keys()].join(', ')}`,
    };
    step.out.push({ kind: 'reply', id, ok: answer.ok, value: answer.value });
  }

  #status(now: Monotonic): JsonObject {
    const { policy, bindings, homeLink, clockWarning } = this.#context;
    const { configuration } = policy;
    return {
      role: 'home-agent',
      addresses: configuration.addresses,
      ipv4Addresses: configuration.ipv4Addresses,
      homeLink: configuration.homeLink ?? null,
      mobileNodes: configuration.mobileNodes.length,
      bindings: bindings.size,
      unencryptedBindings: unencrypted(bindings),
      pending: homeLink?.pendingCount ?? 0,
      tunnels: bindings.tunnelCount,
      insecure: configuration.insecure,
      clockBehindSeconds: clockWarning.behindSeconds(now),
    };
  }

  /** Counters, and how often each status was answered. */
  #stats(): JsonObject {
    const { registrar } = this.#context;
    return { ...this.#context.allCounters(), acknowledgements: { ...registrar.acknowledgements } };
  }

  #bindings(now: Monotonic): readonly JsonObject[] {
    const { bindings, keys } = this.#context;
    return [...bindings.values()].map((binding) => ({
      ...bindingRow(now, binding),
      ...(protectionOf(binding.tunnel.endpoint) === 'sealed'
        ? { postQuantum: keys.isPostQuantum(binding.homeAddress) ?? null }
        : {}),
    }));
  }

  /** Every prefix that a mobile router may register, and the binding that it is forwarded to. */
  #prefixes(): readonly JsonObject[] {
    const { policy, bindings } = this.#context;
    return policy.configuration.mobileNodes.flatMap(
      ({ identifier, homeAddresses, mobileNetworkPrefixes }) =>
        mobileNetworkPrefixes.map((prefix) => {
          const binding = bindings.forwarderOf(prefix);
          return {
            prefix: formatPrefix(prefix),
            identifier: identifier ?? null,
            homeAddress: binding?.homeAddress ?? homeAddresses[0] ?? null,
            forwarded: binding !== undefined,
            careOfAddress: binding?.careOfAddress ?? null,
            tunnel: binding?.tunnel.id ?? null,
          };
        }),
    );
  }

  /**
   * Ends every binding of a home address. The mobile node gets no message: its next Binding Update
   * creates a binding. A registration that still waits ends without answer.
   */
  #revoke(step: Step, parameters: JsonObject): Answer {
    const { bindings, homeLink } = this.#context;
    const given = parameters['homeAddress'];
    const homeAddress = typeof given === 'string' ? parseIpv6(given) : undefined;
    if (homeAddress === undefined)
      return { ok: false, value: 'homeAddress: an IPv6 address is needed' };
    const waited = homeLink?.detection.abandon(homeAddress) === true;
    const bound = bindings.allOf(homeAddress);
    if (bound.length === 0 && !waited) return { ok: false, value: `no binding for ${homeAddress}` };
    for (const binding of bound) bindings.remove(step, binding, 'binding-revoked');
    return { ok: true, value: { homeAddress } };
  }
}

function unencrypted(bindings: Bindings): number {
  let count = 0;
  for (const { tunnel } of bindings.values()) if (!isEncrypted(tunnel.endpoint)) count += 1;
  return count;
}

function bindingRow(now: Monotonic, binding: Binding): JsonObject {
  const { endpoint, id } = binding.tunnel;
  return {
    homeAddress: binding.homeAddress,
    ...(binding.bid === NO_BID ? {} : { bid: binding.bid }),
    ipv4HomeAddress: binding.ipv4HomeAddress ?? null,
    careOfAddress: binding.careOfAddress,
    encapsulation: encapsulationOf(endpoint.carrier, protectionOf(endpoint)),
    encrypted: isEncrypted(endpoint),
    registrationProtection: registrationProtection(binding.mobileNode),
    remote: endpoint.remote,
    remotePort: endpoint.remotePort,
    tunnel: id,
    lifetimeSeconds: binding.lifetimeUnits * LIFETIME_UNIT_SECONDS,
    remainingSeconds: Math.max(0, Math.floor((binding.expiresAt - now) / 1000)),
    sequence: binding.sequence,
    nat: binding.behindNat,
    identifier: binding.mobileNode.identifier ?? null,
    mobileRouter: binding.mobileRouter,
    mobileNetworkPrefixes: binding.mobileNetworkPrefixes.map(formatPrefix),
  };
}

function isEncrypted({ sealedFor, esp }: TunnelEndpoint): boolean {
  return esp === undefined ? sealedFor !== undefined : encrypts(esp.algorithm);
}

function tunnelRow({ id, endpoint, users }: Tunnel): JsonObject {
  const { carrier, sealedFor: _, esp: _owner, ...ends } = endpoint;
  const encapsulation = encapsulationOf(carrier, protectionOf(endpoint));
  return { id, encapsulation, ...ends, bindings: users };
}
