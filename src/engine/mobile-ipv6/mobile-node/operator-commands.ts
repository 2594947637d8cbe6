/**
 * The operator's commands to a mobile node, and their answers. No RFC behaviour here; the terms are
 * those of RFC 6275 §11.1.
 */
import { formatPrefix, type IpAddress, type Ipv4Address, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import { type NetworkInterface, unknownInterface } from '#engine/common/network-interface.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { BindingUpdateListEntry } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { encrypts } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import { registrationProtection } from '#engine/mobile-ipv6/common/registration-protection.ts';
import { Suite } from '#wire/ntmobile/datagram.ts';
import type { HomeConfiguration } from './configuration.ts';
import { forwardingOf, type HomeState } from './desired-state/home-state.ts';
import type { TunnelEndpoints } from './desired-state/tunnel-endpoints.ts';
import type { HomeAgentAddresses } from './home/home-agent-addresses.ts';
import type { HomeRole } from './home/home-role.ts';
import type { StoredRegistration } from './home/stored-registration.ts';
import type { CareOfCandidate } from './network/care-of-candidate.ts';
import type { Pin } from './network/care-of-selection.ts';

/** An arrival: registered from another care-of address, or back at home. */
export interface Handover {
  /** The care-of address, or `home`. */
  readonly to: string;
  readonly atWallMs: number;
  /** From the Binding Update to its acknowledgement; undefined if none was needed. */
  readonly roundTripMs: number | undefined;
}

/** The home as commands see it. */
interface OperatedHome {
  readonly configuration: HomeConfiguration;
  readonly attachment: {
    readonly phase: string;
    readonly current: { readonly careOf: CareOfCandidate } | undefined;
    readonly homeStay: { readonly link: { readonly device: string } } | undefined;
    readonly tunnel: TunnelEndpoints | undefined;
    /** Uplinks over which the home agent was silent. */
    readonly uplinks: { describe(now: Monotonic): readonly JsonObject[] };
    readonly registrations: { entries(): readonly BindingUpdateListEntry[] };
  };
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly homeAgents: HomeAgentAddresses;
  readonly stored: StoredRegistration;
  readonly role: HomeRole;
  readonly lastHandover: Handover | undefined;
  homeState(): HomeState | undefined;
  /** Registers again now, in any phase. */
  reregister(step: Step): void;
  /** Removes the binding at the home agent and everything that belongs to it on the host. */
  release(step: Step): void;
  /** Prefers a care-of address while it is usable; undefined restores the selection rules. */
  pin(step: Step, pin: Pin | undefined): void;
}

/** The reply to a command. */
interface Answer {
  readonly ok: boolean;
  readonly value: JsonValue;
}

/** The part of the node that commands use. */
interface OperatorCommandTarget {
  readonly roleName: string;
  readonly homes: readonly OperatedHome[];
  readonly movement: {
    readonly interfaces: readonly NetworkInterface[];
    hasAddress(address: IpAddress): boolean;
  };
  readonly counters: Counters;
  /** How often each status answered a Binding Update. */
  readonly acknowledgements: Counters;
  tunnels(): JsonValue;
  /** Undefined if the configuration has none. */
  readonly killSwitch: 'closed' | 'lifted' | undefined;
  /** Opens the host until it is closed again, or the daemon starts again. */
  liftKillSwitch(step: Step, isLifted: boolean): void;
}

const ok = (value: JsonValue): Answer => ({ ok: true, value });
const failed = (message: string): Answer => ({ ok: false, value: { message } });

type Command = (step: Step, node: OperatorCommandTarget, parameters: JsonObject) => Answer;

const COMMANDS: Readonly<Record<string, Command>> = {
  status: ({ now }, { homes, roleName, killSwitch }) =>
    ok({
      role: roleName,
      ...(killSwitch === undefined ? {} : { killSwitch }),
      homes: homes.map((home) => homeStatus(now, home)),
    }),
  killswitch: (step, node, { state }) => {
    if (node.killSwitch === undefined) return failed('killSwitch is not configured');
    if (state !== undefined && state !== 'on' && state !== 'off')
      return failed('state is neither on nor off');
    if (state !== undefined) node.liftKillSwitch(step, state === 'off');
    return ok({ killSwitch: node.killSwitch });
  },
  bindings: ({ now }, { homes }) => ok(homes.flatMap((home) => listEntries(now, home))),
  bul: ({ now }, { homes }) => ok(homes.flatMap((home) => listEntries(now, home))),
  tunnels: (_step, node) => ok(node.tunnels()),
  stats: (_step, { counters, acknowledgements }) =>
    ok({ ...counters, acknowledgements: { ...acknowledgements } }),
  reregister: (step, { homes }, { home }) => each(homes, home, (one) => one.reregister(step)),
  deregister: (step, { homes }, { home }) => each(homes, home, (one) => one.release(step)),
  move: (step, { homes, movement }, { home, ...choice }) => {
    const pin = pinOf(movement, choice);
    return typeof pin === 'string' ? failed(pin) : each(homes, home, (one) => one.pin(step, pin));
  },
};

/** The operator's choice; undefined if the node selects; a string describes a fault. */
function pinOf(
  movement: OperatorCommandTarget['movement'],
  { careOfAddress, interface: device }: JsonObject,
): Pin | string | undefined {
  if (typeof device === 'string')
    return unknownInterface(device, movement.interfaces) ?? { device };
  if (careOfAddress === undefined || careOfAddress === null) return undefined;
  const address = typeof careOfAddress === 'string' ? parseIpAddress(careOfAddress) : undefined;
  if (address === undefined) return 'careOfAddress is not an IP address';
  return movement.hasAddress(address) ? { address } : `no interface has the address ${address}`;
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
  homes: readonly OperatedHome[],
  name: JsonValue | undefined,
  action: (home: OperatedHome) => void,
): Answer {
  const chosen =
    name === undefined ? homes : homes.filter(({ configuration }) => configuration.name === name);
  if (chosen.length === 0) return failed('no such home');
  for (const home of chosen) action(home);
  return ok(
    chosen.map(({ configuration, attachment }) => ({
      home: configuration.name,
      phase: attachment.phase,
    })),
  );
}

function homeStatus(now: Monotonic, home: OperatedHome): JsonObject {
  const { configuration, attachment, homeAgents, stored, lastHandover, role } = home;
  const { phase, current, homeStay, tunnel } = attachment;
  return {
    home: configuration.name,
    phase,
    homeAddress: configuration.homeAddress,
    ipv4HomeAddress: home.ipv4HomeAddress ?? null,
    careOfAddress: current?.careOf.address ?? null,
    interface: homeStay?.link.device ?? current?.careOf.device ?? null,
    encapsulation: tunnel?.encapsulation ?? null,
    encrypted: isEncrypted(tunnel),
    cipher: cipherOf(home) ?? null,
    postQuantum: home.homeState()?.session?.sealing?.postQuantum ?? null,
    registrationProtection: registrationProtection({
      registrationKeys: [configuration.registrationKey],
      esp: configuration.esp,
      publicKey: configuration.publicKey,
    }),
    homeAgent: homeAgents.name ?? null,
    homeAgentAddresses: homeAgents.known,
    silentPaths: attachment.uplinks.describe(now),
    sequence: stored.sequence,
    clockOffsetMs: stored.clockOffsetMs,
    ...role.status(),
    ...(role.registeredPrefixes().mobileRouter
      ? { forwarding: forwardingOf(home.homeState()) }
      : {}),
    lastHandover: lastHandover === undefined ? null : { ...lastHandover },
    bindings: listEntries(now, home),
  };
}

function isEncrypted(tunnel: TunnelEndpoints | undefined): boolean {
  if (tunnel?.algorithm !== undefined) return encrypts(tunnel.algorithm);
  return tunnel?.encapsulation === 'sealed';
}

/** The cipher of the home's data; undefined without keys. */
function cipherOf(home: OperatedHome): string | undefined {
  const { tunnel } = home.attachment;
  if (tunnel?.encapsulation === 'esp') return `ESP ${tunnel.algorithm}`;
  const suite = home.homeState()?.session?.sealing?.suite;
  if (suite === undefined) return undefined;
  return suite === Suite.aes128Gcm ? 'AES-128-GCM' : 'ChaCha20-Poly1305';
}

function listEntries(
  now: Monotonic,
  { configuration, attachment }: OperatedHome,
): readonly JsonObject[] {
  return attachment.registrations.entries().map((entry) => ({
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
