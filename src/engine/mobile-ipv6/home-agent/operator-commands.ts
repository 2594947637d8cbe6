/**
 * What an operator may ask a home agent. No RFC: it shows RFC 6275 §10.1's Binding Cache.
 */
import { formatPrefix, parseIpv6 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { Output } from '#engine/contract/output.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { Binding } from './bindings/binding.ts';
import { removeBinding } from './bindings/bindings.ts';
import type { Tunnel } from './bindings/tunnels.ts';
import type { HomeAgentState } from './state.ts';

type Answer = { readonly ok: boolean; readonly value: JsonValue };
type Command = (
  state: HomeAgentState,
  now: Monotonic,
  parameters: JsonObject,
  out: Output[],
) => Answer;

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['status', (state) => ({ ok: true, value: statusOf(state) })],
  [
    'bindings',
    (state, now) => ({
      ok: true,
      value: [...state.cache.values()].map((binding) => bindingRow(now, binding)),
    }),
  ],
  ['prefixes', (state) => ({ ok: true, value: prefixRows(state) })],
  ['tunnels', (state) => ({ ok: true, value: [...state.tunnels.values()].map(tunnelRow) })],
  ['stats', (state) => ({ ok: true, value: statsOf(state) })],
  ['revoke', revoke],
]);

/** Answers with exactly one `reply`. */
export function handleOperatorCommand(
  state: HomeAgentState,
  now: Monotonic,
  request: { readonly id: number; readonly command: string; readonly parameters: JsonObject },
  out: Output[],
): void {
  const command = COMMANDS.get(request.command);
  const answer = command?.(state, now, request.parameters, out) ?? {
    ok: false,
    value: `unknown command; known: ${[...COMMANDS.keys()].join(', ')}`,
  };
  out.push({ kind: 'reply', id: request.id, ok: answer.ok, value: answer.value });
}

function statusOf(state: HomeAgentState): JsonObject {
  const { configuration } = state;
  return {
    role: 'home-agent',
    addresses: configuration.addresses,
    ipv4Addresses: configuration.ipv4Addresses,
    homeLink: configuration.homeLink ?? null,
    mobileNodes: configuration.mobileNodes.length,
    bindings: state.cache.size,
    pending: state.homeLink?.pendingCount ?? 0,
    tunnels: state.tunnels.size,
    insecure: configuration.insecure,
  };
}

/** Counters, and how often each status was answered. */
function statsOf({ counters, acknowledgements }: HomeAgentState): JsonObject {
  return { ...counters.counters, acknowledgements: { ...acknowledgements.counters } };
}

function bindingRow(now: Monotonic, binding: Binding): JsonObject {
  const { endpoint, id } = binding.tunnel;
  return {
    homeAddress: binding.homeAddress,
    ipv4HomeAddress: binding.ipv4HomeAddress ?? null,
    careOfAddress: binding.careOfAddress,
    encapsulation: encapsulationOf(endpoint.carrier, 'none'),
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

/** Every prefix that somebody may register, and where it is forwarded to now. */
function prefixRows({ configuration, prefixes }: HomeAgentState): readonly JsonObject[] {
  return configuration.mobileNodes.flatMap(({ identifier, homeAddresses, mobileNetworkPrefixes }) =>
    mobileNetworkPrefixes.map((prefix) => {
      const binding = prefixes.get(prefix);
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

function tunnelRow({ id, endpoint, users }: Tunnel): JsonObject {
  const { carrier, ...ends } = endpoint;
  return { id, encapsulation: encapsulationOf(carrier, 'none'), ...ends, bindings: users };
}

/**
 * The mobile node is not told: its next Binding Update starts anew. A registration under way ends
 * without answer.
 */
function revoke(
  state: HomeAgentState,
  now: Monotonic,
  parameters: JsonObject,
  out: Output[],
): Answer {
  const given = parameters['homeAddress'];
  const homeAddress = typeof given === 'string' ? parseIpv6(given) : undefined;
  if (homeAddress === undefined)
    return { ok: false, value: 'homeAddress: an IPv6 address is needed' };
  const detection = state.homeLink?.pendingDads.get(homeAddress);
  if (detection !== undefined) state.homeLink?.finish(detection);
  const binding = state.cache.get(homeAddress);
  if (binding === undefined && detection !== undefined) return { ok: true, value: { homeAddress } };
  if (binding === undefined) return { ok: false, value: `no binding for ${homeAddress}` };
  removeBinding(state, now, binding, 'binding-revoked', out);
  return { ok: true, value: { homeAddress } };
}
