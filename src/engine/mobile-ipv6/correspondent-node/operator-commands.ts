/**
 * The operator's commands to a correspondent node. No RFC: they show RFC 6275 §9.1's Binding Cache.
 */
import { type Ipv6Address, parseIpv6 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { Binding } from './binding.ts';
import type { Bindings } from './bindings.ts';
import type { CorrespondentNodeConfiguration } from './configuration.ts';
import type { CorrespondentNodeCounters } from './reasons.ts';

type Answer = { readonly ok: boolean; readonly value: JsonValue };

interface OperatorRequest {
  readonly id: number;
  readonly command: string;
  readonly parameters: JsonObject;
}

interface OperatorContext {
  readonly addresses: readonly Ipv6Address[];
  readonly configuration: CorrespondentNodeConfiguration;
  readonly counters: CorrespondentNodeCounters;
  readonly bindings: Bindings;
}

const COMMANDS = ['status', 'bindings', 'tunnels', 'stats', 'revoke'] as const;

/** Answers with exactly one `reply`. */
export function handleRequest(
  step: Step,
  context: OperatorContext,
  { id, command, parameters }: OperatorRequest,
): void {
  const answer = answerTo(step, context, command, parameters);
  step.out.push({ kind: 'reply', id, ok: answer.ok, value: answer.value });
}

function answerTo(
  step: Step,
  context: OperatorContext,
  command: string,
  parameters: JsonObject,
): Answer {
  const { addresses, configuration, counters, bindings } = context;
  switch (command) {
    case 'status':
      return {
        ok: true,
        value: {
          role: 'correspondent-node',
          addresses,
          bindings: bindings.size,
          maximumBindings: configuration.maximumBindings,
        },
      };
    case 'bindings':
      return { ok: true, value: Array.from(bindings.values(), (one) => bindingRow(step.now, one)) };
    case 'tunnels':
      return { ok: true, value: Array.from(bindings.values(), tunnelRow) };
    case 'stats':
      return { ok: true, value: { ...counters.counters } };
    case 'revoke':
      return revoke(step, bindings, parameters);
    default:
      return { ok: false, value: `unknown command; known: ${COMMANDS.join(', ')}` };
  }
}

/** The mobile node gets no message: its next packet is answered by a Binding Error. */
function revoke(step: Step, bindings: Bindings, parameters: JsonObject): Answer {
  const given = parameters['homeAddress'];
  const homeAddress = typeof given === 'string' ? parseIpv6(given) : undefined;
  if (homeAddress === undefined)
    return { ok: false, value: 'homeAddress: an IPv6 address is needed' };
  if (bindings.find(homeAddress) === undefined)
    return { ok: false, value: `no binding for ${homeAddress}` };
  bindings.revoke(step, homeAddress);
  return { ok: true, value: { homeAddress } };
}

function tunnelRow({
  tunnelId: id,
  homeAddress,
  careOfAddress: remote,
  correspondentAddress: local,
}: Binding): JsonObject {
  const ends = { local, localPort: 0, remote, remotePort: 0 };
  return { id, encapsulation: encapsulationOf('optimized', 'none'), ...ends, homeAddress };
}

function bindingRow(now: Monotonic, binding: Binding): JsonObject {
  return {
    homeAddress: binding.homeAddress,
    careOfAddress: binding.careOfAddress,
    correspondentAddress: binding.correspondentAddress,
    tunnel: binding.tunnelId,
    lifetimeSeconds: binding.lifetimeUnits * LIFETIME_UNIT_SECONDS,
    remainingSeconds: Math.max(0, Math.floor((binding.expiresAt - now) / 1000)),
    sequence: binding.sequence,
  };
}
