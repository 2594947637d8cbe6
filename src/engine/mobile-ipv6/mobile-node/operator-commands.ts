/**
 * The operator's commands to a mobile node, and their answers. No RFC behaviour here; the terms are
 * those of RFC 6275 §11.1.
 */
import { formatPrefix, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Home } from './home/home.ts';
import type { Pin } from './network/care-of-selection.ts';

/** The reply to a command. */
export interface Answer {
  readonly ok: boolean;
  readonly value: JsonValue;
}

/** The part of the node that commands use. */
export interface OperatorCommandTarget {
  readonly roleName: string;
  readonly homes: readonly Home[];
  readonly counters: Counters;
  /** How often each status answered a Binding Update. */
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
  move: (step, { homes }, { home, ...choice }) => {
    const pin = pinOf(choice);
    return typeof pin === 'string' ? failed(pin) : each(homes, home, (one) => one.pin(step, pin));
  },
};

/** The operator's choice; undefined if the node selects; a string says what is wrong. */
function pinOf({ careOfAddress, interface: device }: JsonObject): Pin | string | undefined {
  if (typeof device === 'string') return { device };
  if (careOfAddress === undefined || careOfAddress === null) return undefined;
  const address = typeof careOfAddress === 'string' ? parseIpAddress(careOfAddress) : undefined;
  return address === undefined ? 'careOfAddress is no IP address' : { address };
}

/** Executes a command; an unknown command or home is a failure. */
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
  homes: readonly Home[],
  name: JsonValue | undefined,
  action: (home: Home) => void,
): Answer {
  const chosen =
    name === undefined ? homes : homes.filter(({ configuration }) => configuration.name === name);
  if (chosen.length === 0) return failed('no such home');
  for (const home of chosen) action(home);
  return ok(chosen.map(({ configuration, phase }) => ({ home: configuration.name, phase })));
}

function homeStatus(now: Monotonic, home: Home): JsonObject {
  const { configuration, phase, careOf, homeLink, homeAgents, stored, lastHandover, role } = home;
  return {
    home: configuration.name,
    phase,
    homeAddress: configuration.homeAddress,
    ipv4HomeAddress: home.ipv4HomeAddress ?? null,
    careOfAddress: careOf?.address ?? null,
    interface: homeLink?.device ?? careOf?.device ?? null,
    encapsulation: home.tunnel?.encapsulation ?? null,
    homeAgent: homeAgents.name ?? null,
    homeAgentAddresses: homeAgents.known,
    sequence: stored.sequence,
    clockOffsetMs: stored.clockOffsetMs,
    ...role.status(),
    ...(role.registeredPrefixes().mobileRouter ? { forwarding: home.forwarding } : {}),
    lastHandover: lastHandover === undefined ? null : { ...lastHandover },
    bindings: listEntries(now, home),
  };
}

function listEntries(
  now: Monotonic,
  { configuration, registrations }: Home,
): readonly JsonObject[] {
  return registrations.entries().map((entry) => ({
    home: configuration.name,
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
