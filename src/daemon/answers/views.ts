/**
 * What an operator wants to read of a daemon's answers: what it is about first, units, no zeros.
 * Where an answer has another form than expected (an older or newer daemon) it is shown whole.
 * `--json` goes past all of this.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
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
};

/** The answer `value` to `command`, as text. `nowWallMs` is what ages are counted from. */
export function formatAnswer(command: string, value: JsonValue, nowWallMs: number): string {
  const view = ROW_VIEWS[command];
  if (view !== undefined) return formatRows(value, (row) => view(row, nowWallMs));
  if (command === 'metrics' && typeof value === 'string') return value.trimEnd();
  if (!isJsonObject(value)) return formatValue(value);
  if (command === 'status') return formatStatus(value, nowWallMs);
  return command === 'stats' ? formatCounters(value) : formatValue(value);
}

/** One event as a line. Monotonic times of an event are told as how long before it they were. */
export function formatEvent({ at, level, name, fields }: JsonObject): string {
  const detail = isJsonObject(fields) ? inlineFields(fields) : '';
  return `${String(at)}  ${String(level).padEnd(5)}  ${String(name)}${detail === '' ? '' : `  ${detail}`}`;
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

/** Of daemons that have no homes. */
const SERVERS: Readonly<
  Record<string, readonly [title: string, (status: JsonObject) => readonly Line[]]>
> = {
  'home-agent': ['home agent', homeAgentLines],
  'direction-coordinator': ['direction coordinator', coordinatorLines],
  relay: ['relay', relayLines],
  'account-server': ['account server', accountServerLines],
};

/** What a home's `phase` means. */
export const PHASES: Readonly<Record<string, string>> = {
  detached: 'no network (no care-of address)',
  resolving: 'looking for an address of the home agent',
  registering: 'registering',
  registered: 'registered',
  refreshing: 'registered, refreshing',
  refused: 'refused by the home agent',
  returning: 'back on the home link, de-registering',
  'at-home': 'at home',
  deregistering: 'de-registering on request',
  released: 'de-registered on request',
  stopped: 'stopped, as no home agent serves the mobile networks',
};

const FORWARDING_TEXTS: Readonly<Record<string, string>> = {
  tunnel: 'through the tunnel',
  'home-link': 'on the home link',
  none: 'NOT FORWARDED',
};

/**
 * The prefixes of a mobile router, how they are registered, and their way now; undefined for a
 * mobile node.
 */
function mobileNetworksText(home: JsonObject): string | undefined {
  const prefixes = objectsOf(home['mobileNetworkPrefixes']).map(
    ({ prefix, refused }) => `${String(prefix)}${refused === true ? ' (refused)' : ''}`,
  );
  if (prefixes.length === 0) return undefined;
  const way = FORWARDING_TEXTS[String(home['forwarding'])];
  return `${prefixes.join(', ')} (${joined(text(home['registrationMode']), way) ?? '-'})`;
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
    ['home link', atHome ? text(device) : undefined],
    ['tunnel', tunnelText(text(home['encapsulation']), binding)],
    ['mobile networks', mobileNetworksText(home)],
    ['last refusal', text(home['lastRefusal'])],
    [
      'lifetime left',
      registered
        ? lifetimeText(binding, 'remainingSeconds')
        : atHome
          ? undefined
          : 'not registered',
    ],
    ['last handover', handoverText(home['lastHandover'], nowWallMs)],
  ]);
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
  return binding?.['nat'] === true
    ? `${encapsulation}, NAT on the way`
    : `${encapsulation}, no NAT`;
}

function lifetimeText(binding: JsonObject, leftName: string): string | undefined {
  const left = binding[leftName];
  const whole = binding['lifetimeSeconds'];
  if (typeof left !== 'number') return undefined;
  return typeof whole === 'number' ? `${duration(left)} of ${duration(whole)}` : duration(left);
}

function handoverText(handover: JsonValue | undefined, nowWallMs: number): string | undefined {
  if (!isJsonObject(handover)) return undefined;
  const { to, atWallMs, roundTripMs } = handover;
  if (typeof atWallMs !== 'number') return undefined;
  const signalling =
    typeof roundTripMs === 'number' ? `, acknowledged after ${milliseconds(roundTripMs)}` : '';
  return `${duration(Math.max(0, (nowWallMs - atWallMs) / 1000))} ago, to ${to === 'home' ? 'the home link' : (text(to) ?? '-')}${signalling}`;
}

function homeAgentLines(status: JsonObject): readonly Line[] {
  const pending = status['pending'];
  const waiting = typeof pending === 'number' && pending > 0 ? `, ${pending} pending` : '';
  return [
    ['addresses', joined(status['addresses'], status['ipv4Addresses'])],
    ['home link', text(status['homeLink']) ?? 'none (virtual home network)'],
    [
      'bindings',
      `${text(status['bindings']) ?? '-'} (${text(status['mobileNodes']) ?? '-'} configured)${waiting}`,
    ],
    ['tunnels', text(status['tunnels'])],
    [
      'security',
      status['insecure'] === true ? 'NONE: registrations are not authenticated' : 'required',
    ],
  ];
}

/** What the kernel refused so far and why, and whether the store keeps up. */
function hostLines(status: JsonObject): readonly Line[] {
  const { host, driver } = status;
  const pending = isJsonObject(host) ? objectsOf(host['pending']) : [];
  const refused = pending.map(
    ({ what, error }): Line => ['refused', `${text(what) ?? '-'}: ${text(error) ?? 'waiting'}`],
  );
  const { storeFailures, storeBacklog } = isJsonObject(driver) ? driver : {};
  const failed = typeof storeFailures === 'number' && storeFailures > 0;
  return [
    ...(refused.length === 0 ? [['kernel', 'as wanted'] as const] : refused),
    [
      'store',
      failed
        ? `${storeFailures} failures, ${text(storeBacklog) ?? 0} records waiting`
        : 'as wanted',
    ],
  ];
}

// --- tables ---

function bindingRow(row: JsonObject): JsonObject | undefined {
  const left = ['remainingSeconds', 'remainingSeconds'].find(
    (name) => typeof row[name] === 'number',
  );
  if (left === undefined) return undefined;
  const { identifier, home, encapsulation, nat, remote, careOfAddress } = row;
  const translated =
    nat === true && typeof remote === 'string'
      ? `yes, ${endpoint(remote, row['remotePort'])}`
      : nat;
  return {
    home,
    homeAddress: joined(row['homeAddress'], row['ipv4HomeAddress']),
    careOfAddress,
    encapsulation,
    nat: translated,
    lifetimeLeft: row['acknowledged'] === false ? 'not acknowledged' : lifetimeText(row, left),
    mobileNetworks: joined(row['mobileNetworkPrefixes']),
    homeAgent: row['homeAgent'],
    identifier,
  };
}

/** A prefix that a home agent may serve. */
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

/** Counters that counted, by group; how many did not is said. */
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

/** One entry of `sojourn trace`: when, which way, what, and what became of it. */
export function formatMessage(entry: JsonObject): string {
  const { at, direction, transport, from, to, summary, counted } = entry;
  const became = isJsonList(counted) && counted.length > 0 ? `  [${counted.join(', ')}]` : '';
  const time = String(at).slice(11, 23);
  return `${time} ${String(direction).padEnd(3)} ${String(transport)}  ${String(from)} > ${String(to)}  ${String(summary)}${became}`;
}
