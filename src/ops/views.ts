/**
 * What an operator wants to read of a daemon's answers: what it is about first, units, no zeros. Where an answer has another form than
 * expected (an older or newer daemon) it is shown whole. `--json` goes past all of this.
 */
import type { JsonObject, JsonValue } from '#engine/contract.ts';
import { isJsonList, isJsonObject } from './json-lines.ts';
import { formatTable, formatValue } from './tables.ts';

/** The answer `value` to `command`, as text. `nowWallMs` is what ages are counted from. */
export function formatAnswer(command: string, value: JsonValue, nowWallMs: number): string {
  switch (command) {
    case 'status':
      return isJsonObject(value) ? formatStatus(value, nowWallMs) : formatValue(value);
    case 'bindings':
      return formatRows(value, bindingRow);
    case 'prefixes':
      return formatRows(value, prefixRow);
    case 'registrations':
      return formatRows(value, registrationRow);
    case 'legs':
      return formatRows(value, legRow);
    case 'general':
      return formatRows(value, generalRow);
    case 'tunnels':
      return formatRows(value, tunnelRow);
    case 'stats':
      return isJsonObject(value) ? formatCounters(value) : formatValue(value);
    default:
      return formatValue(value);
  }
}

/** One event as a line. Monotonic times of an event are told as how long before it they were. */
export function formatEvent({ at, level, name, fields }: JsonObject): string {
  const detail = isJsonObject(fields) ? inlineFields(fields) : '';
  return `${String(at)}  ${String(level).padEnd(5)}  ${String(name)}${detail === '' ? '' : `  ${detail}`}`;
}

// --- status ---

type Line = readonly [label: string, text: string | undefined];

function formatStatus(status: JsonObject, nowWallMs: number): string {
  if (status['role'] === 'mobile-node' || status['role'] === 'mobile-router') {
    const homes = objectsOf(status['homes']).map((home) => homeSection(home, nowWallMs));
    return [...homes, block('host', hostLines(status))].join('\n\n');
  }
  if (status['role'] === 'home-agent') {
    return [block('home agent', homeAgentLines(status)), block('host', hostLines(status))].join('\n\n');
  }
  if (status['role'] === 'relay' && isJsonList(status['registrations'])) {
    return [block('relay', relayLines(status)), block('host', hostLines(status))].join('\n\n');
  }
  return formatValue(status);
}

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

const WAYS: Readonly<Record<string, string>> = {
  tunnel: 'through the tunnel',
  'home-link': 'on the home link',
  none: 'NOT FORWARDED',
};

/** The prefixes of a mobile router, how they are registered, and their way now; undefined for a mobile node. */
function mobileNetworksText(home: JsonObject): string | undefined {
  const prefixes = objectsOf(home['mobileNetworkPrefixes']).map(
    ({ prefix, refused }) => `${String(prefix)}${refused === true ? ' (refused)' : ''}`,
  );
  if (prefixes.length === 0) return undefined;
  const way = WAYS[String(home['forwarding'])];
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
    ['lifetime left', registered ? lifetimeText(binding, 'remainingSeconds') : atHome ? undefined : 'not registered'],
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

function tunnelText(encapsulation: string | undefined, binding: JsonObject | undefined): string | undefined {
  if (encapsulation === undefined) return undefined;
  return binding?.['nat'] === true ? `${encapsulation}, NAT on the way` : `${encapsulation}, no NAT`;
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
  const signalling = typeof roundTripMs === 'number' ? `, acknowledged after ${milliseconds(roundTripMs)}` : '';
  return `${duration(Math.max(0, (nowWallMs - atWallMs) / 1000))} ago, to ${to === 'home' ? 'the home link' : (text(to) ?? '-')}${signalling}`;
}

function homeAgentLines(status: JsonObject): readonly Line[] {
  const pending = status['pending'];
  const waiting = typeof pending === 'number' && pending > 0 ? `, ${pending} pending` : '';
  return [
    ['addresses', joined(status['addresses'], status['ipv4Addresses'])],
    ['home link', text(status['homeLink']) ?? 'none (virtual home network)'],
    ['bindings', `${text(status['bindings']) ?? '-'} (${text(status['mobileNodes']) ?? '-'} configured)${waiting}`],
    ['tunnels', text(status['tunnels'])],
    ['security', status['insecure'] === true ? 'NONE: registrations are not authenticated' : 'required'],
  ];
}

function relayLines(status: JsonObject): readonly Line[] {
  const { loadThousandths, directedNodes, nodes } = status;
  const coordinators = objectsOf(status['registrations']).map(
    ({ coordinator, registered }): Line => [
      'coordinator',
      `${text(coordinator) ?? '-'}: ${registered === true ? 'registered' : 'NOT REGISTERED'}`,
    ],
  );
  return [
    ['public key', text(status['publicKey'])],
    ['addresses', joined(objectsOf(status['endpoints']).map((one) => endpoint(String(one['address']), one['port'])))],
    ...coordinators,
    ['nodes', `${text(nodes) ?? '-'}, ${text(directedNodes) ?? '-'} of them with servers`],
    ['legs of paths', text(status['legs'])],
    ['servers', text(status['generalNodes'])],
    ['load', typeof loadThousandths === 'number' ? `${loadThousandths / 10} %` : undefined],
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
    ['store', failed ? `${storeFailures} failures, ${text(storeBacklog) ?? 0} records waiting` : 'as wanted'],
  ];
}

function block(title: string, lines: readonly Line[]): string {
  const shown = lines.filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([label]) => label.length));
  return [title, ...shown.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`)].join('\n');
}

// --- tables ---

/** A table of the rows that `view` understands; everything as it is when there is one that it does not. */
function formatRows(value: JsonValue, view: (row: JsonObject) => JsonObject | undefined): string {
  if (!isJsonList(value)) return formatValue(value);
  const rows = value.map((row) => (isJsonObject(row) ? view(row) : undefined));
  const known = rows.filter((row) => row !== undefined);
  if (known.length === 0 || known.length < rows.length) return formatValue(value);
  return formatTable(known);
}

function bindingRow(row: JsonObject): JsonObject | undefined {
  const left = ['lifetimeLeftSeconds', 'remainingSeconds'].find((name) => typeof row[name] === 'number');
  if (left === undefined) return undefined;
  const { identifier, home, encapsulation, nat, remote, careOfAddress } = row;
  const translated = nat === true && typeof remote === 'string' ? `yes, ${endpoint(remote, row['remotePort'])}` : nat;
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

function registrationRow(row: JsonObject): JsonObject | undefined {
  const { name, virtualIpv6, virtualIpv4, remote, remotePort, active } = row;
  if (typeof name !== 'string' || typeof remote !== 'string') return undefined;
  return { name, virtualIpv6, virtualIpv4, from: endpoint(remote, remotePort), active };
}

/** A node's side of a path at a relay. */
function legRow(row: JsonObject): JsonObject | undefined {
  const { pathId, role, name, remote, remotePort, other, validated, rateKilobits } = row;
  if (typeof pathId !== 'string' || typeof remote !== 'string') return undefined;
  const rate = typeof rateKilobits === 'number' ? `${rateKilobits / 1000} Mbit/s` : undefined;
  return { path: pathId, role, node: name, at: endpoint(remote, remotePort), joined: other !== 0, validated, rate };
}

/** A server behind a relay. */
function generalRow(row: JsonObject): JsonObject | undefined {
  const { name, virtualIpv6, virtualIpv4, realIpv6, realIpv4, translated, nodes } = row;
  if (typeof name !== 'string' || !isJsonList(translated)) return undefined;
  const families = translated.map((family) => `IPv${String(family)}`);
  return { name, virtualIpv6, virtualIpv4, real: joined(realIpv6, realIpv4), translated: joined(families), nodes };
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
    packetsOut: counters['transmit-packets'],
    octetsOut: counters['transmit-octets'],
    packetsIn: counters['receive-packets'],
    octetsIn: counters['receive-octets'],
  };
}

function endpoint(address: string, port: JsonValue | undefined): string {
  if (typeof port !== 'number' || port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

// --- counters ---

/** Counters that counted, by group; how many did not is said. */
function formatCounters(stats: JsonObject): string {
  const groups: (readonly [string, JsonObject])[] = [];
  const own = Object.entries(stats).filter(([, value]) => !isJsonObject(value));
  if (own.length > 0) groups.push(['control messages', Object.fromEntries(own)]);
  for (const [name, value] of Object.entries(stats)) if (isJsonObject(value)) groups.push([name, value]);
  return groups.map(([name, counters]) => `${name}:\n${counterLines(counters)}`).join('\n');
}

function counterLines(counters: JsonObject): string {
  const entries = Object.entries(counters);
  const counted = entries.filter(([, value]) => value !== 0);
  const width = Math.max(0, ...counted.map(([name]) => name.length));
  const digits = Math.max(0, ...counted.map(([, value]) => String(value).length));
  const lines = counted.map(([name, value]) => `  ${name.padEnd(width)}  ${String(value).padStart(digits)}`);
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
  if (typeof value !== 'number') return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  if (name.endsWith('AtMs') && typeof atMs === 'number') {
    return `${name.replace(/AtMs$/, 'AgoMs')}=${rounded(atMs - value)}`;
  }
  return `${name}=${rounded(value)}`;
}

// --- texts ---

function text(value: JsonValue | undefined): string | undefined {
  return value === null || value === undefined || value === '' ? undefined : String(value);
}

function joined(...values: readonly (JsonValue | undefined)[]): string | undefined {
  const texts = values.flatMap((value) => (isJsonList(value) ? value.map(text) : [text(value)]));
  const present = texts.filter((one) => one !== undefined);
  return present.length === 0 ? undefined : present.join(', ');
}

function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return isJsonList(value) ? value.filter((one: JsonValue) => isJsonObject(one)) : [];
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function milliseconds(value: number): string {
  return `${rounded(value)} ms`;
}

/** `42 s`, `9 min 57 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, 'min', 1, 's');
  if (whole < 86_400) return pair(whole, 3600, 'h', 60, 'min');
  return pair(whole, 86_400, 'd', 3600, 'h');
}

function pair(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}
