/**
 * What an operator may ask of a mobile node, and the answers. No RFC behaviour here; the terms are
 * RFC 6275 §11.1's.
 */
import { formatPrefix, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeRegistration } from './home/home.ts';
import type { Pin } from './network/movement-detection.ts';

/** What a request is answered with. */
export interface Answer {
  readonly ok: boolean;
  readonly value: JsonValue;
}

/** The node as requests see it. */
export interface OperatorCommandTarget {
  readonly roleName: string;
  readonly homes: readonly HomeRegistration[];
  readonly counters: Counters;
  /** How often each status was answered to a Binding Update. */
  readonly acknowledgements: Counters;
  tunnels(): JsonValue;
}

const ok = (value: JsonValue): Answer => ({ ok: true, value });
const failed = (message: string): Answer => ({ ok: false, value: { message } });

type Command = (step: Step, node: OperatorCommandTarget, parameters: JsonObject) => Answer;

const COMMANDS: Readonly<Record<string, Command>> = {
  status: ({ now }, { homes, roleName }) =>
    ok({ role: roleName, homes: homes.map((home) => homeStatus(now, home)) }),
  bindings: ({ now }, { homes }) => ok(homes.flatMap((home) => listEntries(now, home))),
  bul: ({ now }, { homes }) => ok(homes.flatMap((home) => listEntries(now, home))),
  tunnels: (_step, node) => ok(node.tunnels()),
  stats: (_step, { counters, acknowledgements }) =>
    ok({ ...counters, acknowledgements: { ...acknowledgements } }),
  reregister: (step, { homes }, { home }) => each(homes, home, (one) => one.reregister(step)),
  deregister: (step, { homes }, { home }) => each(homes, home, (one) => one.release(step)),
  move: (step, { homes }, { home, ...wish }) => {
    const pin = pinOf(wish);
    return typeof pin === 'string' ? failed(pin) : each(homes, home, (one) => one.pin(step, pin));
  },
};

/**
 * Where the operator wants the node to be; undefined: where it chooses itself; a sentence about
 * what is wrong.
 */
function pinOf({ careOfAddress, interface: device }: JsonObject): Pin | string | undefined {
  if (typeof device === 'string') return { device };
  if (careOfAddress === undefined || careOfAddress === null) return undefined;
  const address = typeof careOfAddress === 'string' ? parseIpAddress(careOfAddress) : undefined;
  return address === undefined ? 'careOfAddress is no IP address' : { address };
}

/** Carries out a request; a command or home that does not exist is answered so. */
export function handleOperatorCommand(
  step: Step,
  node: OperatorCommandTarget,
  command: string,
  parameters: JsonObject,
): Answer {
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  return run === undefined
    ? failed(`unknown command '${command}'; known: ${Object.keys(COMMANDS).join(', ')}`)
    : run(step, node, parameters);
}

function each(
  homes: readonly HomeRegistration[],
  name: JsonValue | undefined,
  action: (home: HomeRegistration) => void,
): Answer {
  const chosen = name === undefined ? homes : homes.filter(({ state }) => state.home.name === name);
  if (chosen.length === 0) return failed('no such home');
  for (const home of chosen) action(home);
  return ok(chosen.map(({ state }) => ({ home: state.home.name, phase: state.phase })));
}

function homeStatus(now: Monotonic, registration: HomeRegistration): JsonObject {
  const { home, phase, careOf, homeLink, tunnel, homeAgents, stored, lastHandover, role } =
    registration.state;
  return {
    home: home.name,
    phase,
    homeAddress: home.homeAddress,
    ipv4HomeAddress: registration.state.ipv4Refused ? null : (stored.ipv4HomeAddress ?? null),
    careOfAddress: careOf?.address ?? null,
    interface: homeLink?.device ?? careOf?.device ?? null,
    encapsulation: tunnel?.encapsulation ?? null,
    homeAgent: homeAgents.name ?? null,
    homeAgentAddresses: homeAgents.known,
    sequence: stored.sequence,
    clockOffsetMs: stored.clockOffsetMs,
    ...role.status(),
    ...(role.registeredPrefixes().mobileRouter
      ? { forwarding: registration.state.forwarding }
      : {}),
    lastHandover: lastHandover === undefined ? null : { ...lastHandover },
    bindings: listEntries(now, registration),
  };
}

function listEntries(now: Monotonic, { state }: HomeRegistration): readonly JsonObject[] {
  const { home, bindingUpdateList } = state;
  return [...bindingUpdateList.entries()].map((entry) => ({
    home: home.name,
    homeAgent: entry.destination,
    homeAddress: entry.homeAddress,
    careOfAddress: entry.careOfAddress,
    lifetimeSeconds: entry.initialLifetimeSeconds,
    remainingSeconds: Math.max(0, Math.round((entry.expiresAt - now) / 1000)),
    sequence: entry.sequence,
    acknowledged: entry.acknowledged,
    encapsulation: entry.encapsulation,
    nat: entry.nat,
    ...(entry.mobileRouter ? { mobileRouter: true } : {}),
    ...(entry.mobileRouter
      ? { mobileNetworkPrefixes: entry.mobileNetworkPrefixes.map(formatPrefix) }
      : {}),
  }));
}
