/**
 * Views of daemons' answers for operators: the subject first, units, no zeros. An answer of an
 * unexpected form (of an older or newer daemon) is shown whole. `--json` bypasses the views.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import { enrolmentRow, enrolmentText } from './enrolment-views.ts';
import {
  accountServerLines,
  coordinatorLines,
  generalRow,
  legRow,
  nodeRow,
  ntmobileSection,
  pathRow,
  relayLines,
} from './ntmobile-views.ts';
import { formatValue } from './tables.ts';
import {
  block,
  duration,
  endpoint,
  formatRows,
  joined,
  type Line,
  milliseconds,
  objectsOf,
  rounded,
  text,
} from './view-parts.ts';

type RowView = (row: JsonObject, nowWallMs: number) => JsonObject | undefined;

const ROW_VIEWS: Readonly<Record<string, RowView>> = {
  bindings: bindingRow,
  bul: bindingRow,
  prefixes: prefixRow,
  nodes: nodeRow,
  registrations: nodeRow,
  tunnels: tunnelRow,
  paths: pathRow,
  legs: legRow,
  general: generalRow,
  'enroll-list': enrolmentRow,
};

/** The answer `value` to `command` as text. Ages are relative to `nowWallMs`. */
export function formatAnswer(command: string, value: JsonValue, nowWallMs: number): string {
  const view = ROW_VIEWS[command];
  if (view !== undefined) return formatRows(value, (row) => view(row, nowWallMs));
  if (command === 'metrics' && typeof value === 'string') return value.trimEnd();
  if (!isJsonObject(value)) return formatValue(value);
  if (command === 'status') return formatStatus(value, nowWallMs);
  if (command.startsWith('enroll-')) return enrolmentText(value, nowWallMs);
  return command === 'stats' ? formatCounters(value) : formatValue(value);
}

/** One event as a line. Its monotonic times are shown as ages at the time of the event. */
export function formatEvent({ at, level, name, fields }: JsonObject): string {
  const detail = isJsonObject(fields) ? inlineFields(fields) : '';
  const head = `${String(at)}  ${String(level).padEnd(5)}  ${String(name)}`;
  return detail === '' ? head : `${head}  ${detail}`;
}

// --- status ---

function formatStatus(status: JsonObject, nowWallMs: number): string {
  if (status['role'] === 'mobile-node' || status['role'] === 'mobile-router') {
    const homes = objectsOf(status['homes']).map((home) => homeSection(home, nowWallMs));
    const { ntmobile } = status;
    const parts = isJsonObject(ntmobile) ? [...homes, ntmobileSection(ntmobile)] : homes;
    return [...parts, block('host', hostLines(status))].join('\n\n');
  }
  const [title, linesOf] = SERVERS[String(status['role'])] ?? [];
  if (title === undefined || linesOf === undefined) return formatValue(status);
  const server = block(title, linesOf(status));
  return isJsonObject(status['driver'])
    ? `${server}\n\n${block('host', hostLines(status))}`
    : server;
}

/** The daemons without homes. */
const SERVERS: Readonly<
  Record<string, readonly [title: string, (status: JsonObject) => readonly Line[]]>
> = {
  'home-agent': ['home agent', homeAgentLines],
  'direction-coordinator': ['direction coordinator', coordinatorLines],
  relay: ['relay', relayLines],
  'account-server': ['account server', accountServerLines],
};

/** The meaning of a home's `phase`. */
export const PHASES: Readonly<Record<string, string>> = {
  detached: 'no network (no care-of address)',
  resolving: 'resolving the name of the home agent',
  registering: 'registering',
  registered: 'registered',
  refreshing: 'registered, refreshing',
  refused: 'refused by the home agent',
  returning: 'on the home link, de-registering',
  'at-home': 'at home',
  deregistering: 'de-registering on request',
  released: 'de-registered on request',
  stopped: 'stopped: no home agent serves the mobile networks',
};

const KILL_SWITCH_TEXTS: Readonly<Record<string, string>> = {
  closed: 'closed: nothing leaves outside the tunnel',
  closing: 'NOT IN FORCE: nft refuses the rules',
  lifted: 'OPEN until `sojourn killswitch on` or the next start',
  opening: 'STILL CLOSED: nft refuses the change',
};

const FORWARDING_TEXTS: Readonly<Record<string, string>> = {
  tunnel: 'through the tunnel',
  'home-link': 'on the home link',
  none: 'NOT FORWARDED',
};

/**
 * The prefixes of a mobile router, their registration mode and their forwarding; undefined for a
 * mobile node.
 */
function mobileNetworksText(home: JsonObject): string | undefined {
  const prefixes = objectsOf(home['mobileNetworkPrefixes']).map(
    ({ prefix, refused }) => `${String(prefix)}${refused === true ? ' (refused)' : ''}`,
  );
  if (prefixes.length === 0) return undefined;
  const forwarding = FORWARDING_TEXTS[String(home['forwarding'])];
  return `${prefixes.join(', ')} (${joined(text(home['registrationMode']), forwarding) ?? '-'})`;
}

function homeSection(home: JsonObject, nowWallMs: number): string {
  const [binding] = objectsOf(home['bindings']);
  const phase = text(home['phase']) ?? 'unknown';
  const { interface: device } = home;
  const atHome = phase === 'at-home' || phase === 'returning';
  const registered = binding?.['acknowledged'] === true;
  return block(`${text(home['home']) ?? 'home'}: ${PHASES[phase] ?? phase}`, [
    ['home addresses', joined(home['homeAddress'], home['ipv4HomeAddress'])],
    ['home agent', homeAgentText(home)],
    ['care-of address', withDevice(text(home['careOfAddress']), text(device))],
    ['silent uplinks', silentText(home)],
    ['home link', atHome ? text(device) : undefined],
    ['tunnel', tunnelText(text(home['encapsulation']), binding)],
    ['registration', text(home['registrationProtection'])],
    ['encryption', encryptionText(home)],
    ['mobile networks', mobileNetworksText(home)],
    ['last refusal', text(home['lastRefusal'])],
    ['lifetime left', registered ? lifetimeText(binding) : atHome ? undefined : 'not registered'],
    ['last handover', handoverText(home['lastHandover'], nowWallMs)],
    ['clocks', clocksText(home['clockOffsetMs'])],
  ]);
}

/** Uplinks over which the home agent was silent, and when each is tried again. */
function silentText(home: JsonObject): string | undefined {
  const paths = objectsOf(home['silentPaths']).map((path) => {
    const { interface: device, gateway, family, retrySeconds } = path;
    const via = text(gateway) === undefined ? '' : ` via ${String(gateway)}`;
    return `${String(device)}${via} (IPv${String(family)}, retry in ${String(retrySeconds)} s)`;
  });
  return paths.length === 0 ? undefined : paths.join(', ');
}

function homeAgentText(home: JsonObject): string | undefined {
  const addresses = joined(home['homeAgentAddresses']);
  const name = text(home['homeAgent']);
  if (name === undefined) return addresses;
  return `${name} (${addresses ?? 'not resolved'})`;
}

function withDevice(address: string | undefined, device: string | undefined): string | undefined {
  return address === undefined || device === undefined ? address : `${address} on ${device}`;
}

function tunnelText(
  encapsulation: string | undefined,
  binding: JsonObject | undefined,
): string | undefined {
  if (encapsulation === undefined) return undefined;
  return binding?.['nat'] === true ? `${encapsulation}, through a NAT` : `${encapsulation}, no NAT`;
}

/** Undefined without a tunnel. */
function encryptionText(home: JsonObject): string | undefined {
  if (text(home['encapsulation']) === undefined) return undefined;
  if (home['encrypted'] !== true) return 'not encrypted';
  const name = text(home['cipher']);
  if (name === undefined) return 'encrypted, no keys yet';
  return `encrypted (${name}${home['postQuantum'] === true ? ', post-quantum' : ''})`;
}

function lifetimeText(binding: JsonObject): string | undefined {
  const { remainingSeconds: remaining, lifetimeSeconds: granted } = binding;
  if (typeof remaining !== 'number') return undefined;
  return typeof granted === 'number'
    ? `${duration(remaining)} of ${duration(granted)}`
    : duration(remaining);
}

function handoverText(handover: JsonValue | undefined, nowWallMs: number): string | undefined {
  if (!isJsonObject(handover)) return undefined;
  const { to, atWallMs, roundTripMs } = handover;
  if (typeof atWallMs !== 'number') return undefined;
  const signalling =
    typeof roundTripMs === 'number' ? `, acknowledged after ${milliseconds(roundTripMs)}` : '';
  return (
    `${duration(Math.max(0, (nowWallMs - atWallMs) / 1000))} ago, to ` +
    `${to === 'home' ? 'the home link' : (text(to) ?? '-')}${signalling}`
  );
}

function homeAgentLines(status: JsonObject): readonly Line[] {
  const waiting = countText(status['pending'], 'pending');
  const clear = countText(status['unencryptedBindings'], 'NOT ENCRYPTED');
  return [
    ['addresses', joined(status['addresses'], status['ipv4Addresses'])],
    ['home link', text(status['homeLink']) ?? 'none (virtual home network)'],
    [
      'bindings',
      `${text(status['bindings']) ?? '-'} (${text(status['mobileNodes']) ?? '-'} ` +
        `configured)${waiting}${clear}`,
    ],
    ['tunnels', text(status['tunnels'])],
    ['clock', behindText(status['clockBehindSeconds'])],
    [
      'security',
      status['insecure'] === true ? 'NONE: registrations are not authenticated' : 'required',
    ],
  ];
}

/** Empty for zero. */
function countText(count: JsonValue | undefined, what: string): string {
  return typeof count === 'number' && count > 0 ? `, ${count} ${what}` : '';
}

function behindText(seconds: JsonValue | undefined): string | undefined {
  return typeof seconds === 'number' && seconds > 0
    ? `WRONG: at least ${duration(seconds)} behind`
    : undefined;
}

/** A difference that registrations tolerate (RFC 4285 §5.1) is not shown. */
function clocksText(offsetMs: JsonValue | undefined): string | undefined {
  if (typeof offsetMs !== 'number' || Math.abs(offsetMs) <= 7_000) return undefined;
  const direction = offsetMs > 0 ? 'ahead of' : 'behind';
  return `the home agent's is ${duration(Math.abs(offsetMs) / 1000)} ${direction} this host's`;
}

/** Refusals of the kernel with their reasons, and the state of the store. */
function hostLines(status: JsonObject): readonly Line[] {
  const { host, driver } = status;
  const pending = isJsonObject(host) ? objectsOf(host['pending']) : [];
  const refused = pending.map(
    ({ what, error }): Line => ['refused', `${text(what) ?? '-'}: ${text(error) ?? 'waiting'}`],
  );
  const { storeBacklog, storeFault } = isJsonObject(driver) ? driver : {};
  return [
    ['kill switch', KILL_SWITCH_TEXTS[String(status['killSwitch'])]],
    ...(refused.length === 0 ? [['kernel', 'in sync'] as const] : refused),
    [
      'store',
      storeFault === undefined
        ? 'in sync'
        : `NOT WRITTEN (${text(storeBacklog) ?? 0} records wait): ${text(storeFault)}`,
    ],
  ];
}

// --- tables ---

function bindingRow(row: JsonObject): JsonObject | undefined {
  if (typeof row['remainingSeconds'] !== 'number') return undefined;
  const { identifier, home, encapsulation, encrypted, nat, remote, careOfAddress } = row;
  const translated =
    nat === true && typeof remote === 'string'
      ? `yes, ${endpoint(remote, row['remotePort'])}`
      : nat;
  return {
    home,
    homeAddress: joined(row['homeAddress'], row['ipv4HomeAddress']),
    careOfAddress,
    encapsulation,
    encrypted,
    nat: translated,
    lifetimeLeft: row['acknowledged'] === false ? 'not acknowledged' : lifetimeText(row),
    mobileNetworks: joined(row['mobileNetworkPrefixes']),
    homeAgent: row['homeAgent'],
    identifier,
  };
}

/** A mobile network prefix that a home agent grants. */
function prefixRow({ prefix, forwarded, ...row }: JsonObject): JsonObject | undefined {
  if (typeof prefix !== 'string' || typeof forwarded !== 'boolean') return undefined;
  const { homeAddress, careOfAddress, tunnel, identifier } = row;
  return { prefix, forwarded, homeAddress, careOfAddress, tunnel, identifier };
}

function tunnelRow(row: JsonObject): JsonObject | undefined {
  const { id, encapsulation, local, remote, mtu, bindings, traffic } = row;
  if (typeof local !== 'string' || typeof remote !== 'string') return undefined;
  const counters = isJsonObject(traffic) ? traffic : {};
  return {
    id,
    encapsulation,
    local: endpoint(local, row['localPort']),
    remote: endpoint(remote, row['remotePort']),
    mtu: counters['mtu'] ?? mtu,
    bindings,
    peer: row['peer'] ?? row['name'],
    packetsOut: counters['transmit-packets'],
    octetsOut: counters['transmit-octets'],
    packetsIn: counters['receive-packets'],
    octetsIn: counters['receive-octets'],
  };
}

// --- counters ---

/** The counters above zero by group, and the number of the others. */
function formatCounters(stats: JsonObject): string {
  const groups: (readonly [string, JsonObject])[] = [];
  const own = Object.entries(stats).filter(([, value]) => !isJsonObject(value));
  if (own.length > 0) groups.push(['control messages', Object.fromEntries(own)]);
  for (const [name, value] of Object.entries(stats)) {
    if (isJsonObject(value) && Object.keys(value).length > 0) groups.push([name, value]);
  }
  return groups.map(([name, counters]) => `${name}:\n${counterLines(counters)}`).join('\n');
}

function counterLines(counters: JsonObject): string {
  const entries = Object.entries(counters);
  const counted = entries.filter(([, value]) => value !== 0);
  const width = Math.max(0, ...counted.map(([name]) => name.length));
  const digits = Math.max(0, ...counted.map(([, value]) => String(value).length));
  const lines = counted.map(
    ([name, value]) => `  ${name.padEnd(width)}  ${String(value).padStart(digits)}`,
  );
  const zero = entries.length - counted.length;
  if (zero > 0) lines.push(`  (${zero} at 0)`);
  return lines.length === 0 ? '  (none)' : lines.join('\n');
}

// --- events ---

function inlineFields(fields: JsonObject): string {
  const { atMs } = fields;
  return Object.entries(fields)
    .filter(([name, value]) => value !== undefined && name !== 'atMs')
    .map(([name, value]) => inlineField(name, value ?? null, atMs))
    .join(' ');
}

function inlineField(name: string, value: JsonValue, atMs: JsonValue | undefined): string {
  if (typeof value !== 'number')
    return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  if (name.endsWith('AtMs') && typeof atMs === 'number') {
    return `${name.replace(/AtMs$/, 'AgoMs')}=${rounded(atMs - value)}`;
  }
  return `${name}=${rounded(value)}`;
}

/** One entry of `sojourn trace`: time, direction, message, and the counters it changed. */
export function formatMessage(entry: JsonObject): string {
  const { at, direction, transport, from, to, summary, counted } = entry;
  const counters = isJsonList(counted) && counted.length > 0 ? `  [${counted.join(', ')}]` : '';
  const time = String(at).slice(11, 23);
  return (
    `${time} ${String(direction).padEnd(3)} ${String(transport)}  ${String(from)} > ` +
    `${String(to)}  ${String(summary)}${counters}`
  );
}
