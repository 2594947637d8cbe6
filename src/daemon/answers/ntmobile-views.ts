/**
 * Views of NTMobile for operators: nodes, relays, the direction coordinator and the account server.
 */

import type { JsonObject } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import {
  block,
  duration,
  endpoint,
  joined,
  type Line,
  milliseconds,
  objectsOf,
  text,
} from './view-parts.ts';

const COORDINATOR_STATES: Readonly<Record<string, string>> = {
  detached: 'no network',
  connecting: 'connecting',
  registering: 'registering',
  registered: 'registered',
};

/** The kind of path to another node; `none` while there is no path. */
const PATH_KIND_TEXTS: Readonly<Record<string, string>> = {
  direct: 'direct',
  relayed: 'relayed',
  general: 'relayed (no NTMobile)',
  none: 'DOWN',
};

/** The NTMobile part of a mobile node's status. */
export function ntmobileSection(node: JsonObject): string {
  const { name, coordinator, coordinatorName, credentialSeconds, localAddresses, relays, paths } =
    node;
  const state = text(coordinator) ?? 'unknown';
  const local = isJsonObject(localAddresses) ? localAddresses : {};
  return block(`NTMobile: ${text(name) ?? 'not logged in'}`, [
    ['virtual addresses', joined(node['virtualIpv6'], node['virtualIpv4'])],
    ['login failed', text(node['loginFailure'])],
    [
      'credential',
      typeof credentialSeconds === 'number' ? `${duration(credentialSeconds)} left` : undefined,
    ],
    ['coordinator', joined(coordinatorName, COORDINATOR_STATES[state] ?? state)],
    ['local addresses', joined(localAddressText(local, 'ipv6'), localAddressText(local, 'ipv4'))],
    ['NAT', text(node['nat'])],
    ['relays', relaysText(objectsOf(relays))],
    ['paths', pathsText(objectsOf(paths))],
  ]);
}

function localAddressText(localAddresses: JsonObject, family: 'ipv6' | 'ipv4'): string | undefined {
  const address = text(localAddresses[family]);
  const device = text(localAddresses[`${family}Device`]);
  return address === undefined || device === undefined ? address : `${address} on ${device}`;
}

function relaysText(relays: readonly JsonObject[]): string | undefined {
  if (relays.length === 0) return undefined;
  return relays
    .map(({ remote, roundTripMs, up }) => {
      const roundTrip = typeof roundTripMs === 'number' ? ` (${milliseconds(roundTripMs)})` : '';
      return `${text(remote) ?? '-'}${up === true ? roundTrip : ' (down)'}`;
    })
    .join(', ');
}

function pathsText(paths: readonly JsonObject[]): string {
  const count = (kind: string) => paths.filter((path) => path['kind'] === kind).length;
  const kinds = ['direct', 'relayed', 'general', 'none'].filter((kind) => count(kind) > 0);
  return kinds.length === 0
    ? 'none'
    : kinds.map((kind) => `${count(kind)} ${kind === 'none' ? 'down' : kind}`).join(', ');
}

/** A row of `paths`. */
export function pathRow(row: JsonObject, nowWallMs: number): JsonObject | undefined {
  const { name, kind, remote, remotePort, sinceWallMs, roundTripMs } = row;
  if (typeof name !== 'string' || typeof kind !== 'string') return undefined;
  return {
    name,
    virtualAddresses: joined(row['virtualIpv6'], row['virtualIpv4']),
    path: PATH_KIND_TEXTS[kind] ?? kind,
    through: typeof remote === 'string' ? endpoint(remote, remotePort) : undefined,
    for:
      typeof sinceWallMs === 'number'
        ? duration(Math.max(0, (nowWallMs - sinceWallMs) / 1000))
        : undefined,
    roundTrip: typeof roundTripMs === 'number' ? milliseconds(roundTripMs) : undefined,
  };
}

/** A row of `nodes`, of a direction coordinator or a relay. */
export function nodeRow(row: JsonObject): JsonObject | undefined {
  const { name, remote, remotePort, active, validated, legs } = row;
  if (typeof name !== 'string' || typeof remote !== 'string') return undefined;
  const addresses = joined(row['virtualIpv6'], row['virtualIpv4']);
  return {
    name,
    virtualAddresses: addresses,
    from: endpoint(remote, remotePort),
    active,
    validated,
    legs,
  };
}

export function coordinatorLines(status: JsonObject): readonly Line[] {
  return [
    ['zone', text(status['zone'])],
    ['public key', text(status['publicKey'])],
    ['nodes', text(status['registrations'])],
  ];
}

export function accountServerLines(status: JsonObject): readonly Line[] {
  const { address, port, certificate, accounts, disabledAccounts: disabled } = status;
  const fault = status['storeFault'];
  const { fingerprint, selfSigned, notAfter } = isJsonObject(certificate) ? certificate : {};
  const detail = typeof disabled === 'number' && disabled > 0 ? ` (${disabled} disabled)` : '';
  return [
    ['listens on', typeof address === 'string' ? endpoint(address, port) : undefined],
    ['zone', text(status['zone'])],
    ['system prefix', text(status['systemPrefix'])],
    ['login key', text(status['publicKey'])],
    ['certificate', joined(text(fingerprint), selfSigned === true ? 'self-signed' : undefined)],
    ['certificate until', text(notAfter)],
    ['accounts', accounts === undefined ? undefined : `${text(accounts)}${detail}`],
    ['devices', text(status['devices'])],
    ['store', fault === undefined ? 'in sync' : `READ ONLY, logins are refused: ${text(fault)}`],
  ];
}

/** One leg of a path at a relay. */
export function legRow(row: JsonObject): JsonObject | undefined {
  const { pathId, role, name, remote, remotePort, peerIndex, validated, rateKilobits, traffic } =
    row;
  if (typeof pathId !== 'string' || typeof remote !== 'string') return undefined;
  const rate = typeof rateKilobits === 'number' ? `${rateKilobits / 1000} Mbit/s` : undefined;
  const counters = isJsonObject(traffic) ? traffic : {};
  return {
    ...{
      path: pathId,
      role,
      node: name,
      at: endpoint(remote, remotePort),
      joined: peerIndex !== 0,
      validated,
      rate,
    },
    ...{
      octetsTo: counters['transmit-octets'],
      octetsFrom: counters['receive-octets'],
      dropped: dropsOf(counters),
    },
  };
}

/** The drops of all reasons; undefined if the answer has none. */
function dropsOf(counters: JsonObject): number | undefined {
  const drops = Object.entries(counters).filter(([name]) => name.startsWith('drop-'));
  return drops.length === 0 ? undefined : drops.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** A server behind a relay. */
export function generalRow(row: JsonObject): JsonObject | undefined {
  const { name, virtualIpv6, virtualIpv4, realIpv6, realIpv4, translated, nodes } = row;
  if (typeof name !== 'string' || !isJsonList(translated)) return undefined;
  const families = translated.map((family) => `IPv${String(family)}`);
  return {
    name,
    virtualIpv6,
    virtualIpv4,
    real: joined(realIpv6, realIpv4),
    translated: joined(families),
    nodes,
  };
}

export function relayLines(status: JsonObject): readonly Line[] {
  const { loadThousandths, directedNodes, nodes } = status;
  const coordinators = objectsOf(status['registrations']).map(
    ({ coordinator, registered }): Line => [
      'coordinator',
      `${text(coordinator) ?? '-'}: ${registered === true ? 'registered' : 'NOT REGISTERED'}`,
    ],
  );
  return [
    ['public key', text(status['publicKey'])],
    [
      'addresses',
      joined(
        objectsOf(status['endpoints']).map((one) => endpoint(String(one['address']), one['port'])),
      ),
    ],
    ...coordinators,
    ['nodes', `${text(nodes) ?? '-'}, ${text(directedNodes) ?? '-'} of them use servers`],
    ['legs of paths', text(status['legs'])],
    ['servers', text(status['generalNodes'])],
    ['load', typeof loadThousandths === 'number' ? `${loadThousandths / 10} %` : undefined],
  ];
}
