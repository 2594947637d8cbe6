/** A daemon's answer to `status` in one line, as `systemctl status` shows it. */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { ServiceManager } from '#daemon/service-manager.ts';
import type { EventSink } from '#runtime/ports.ts';
import { PHASES } from './views.ts';

/** One line is sent for all events of a burst. */
const SETTLE_MS = 250;
/** Some parts of the status change without an event. */
const REFRESH_MS = 10_000;

/** Updates the line shortly after each event, and periodically. */
export class StatusReporter implements EventSink {
  readonly #manager: ServiceManager;
  readonly #ask: () => Promise<JsonValue | undefined>;
  #timer: NodeJS.Timeout | undefined;
  #settling = false;

  constructor(manager: ServiceManager, ask: () => Promise<JsonValue | undefined>) {
    this.#manager = manager;
    this.#ask = ask;
  }

  event(): void {
    if (this.#settling || !this.#manager.listens) return;
    this.#settling = true;
    this.#reportIn(SETTLE_MS);
  }

  /** Resolves after the line was sent. */
  async report(): Promise<void> {
    if (!this.#manager.listens) return;
    this.#settling = false;
    const status = await this.#ask();
    if (status !== undefined) this.#manager.status(statusLine(status));
    if (!this.#settling) this.#reportIn(REFRESH_MS);
  }

  #reportIn(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.report(), delayMs).unref();
  }
}

/** `registered with 2001:db8:1::1, care-of 2001:db8:2::5`. */
export function statusLine(status: JsonValue): string {
  if (!isJsonObject(status)) return 'running';
  const line = LINES[String(status['role'])];
  const { driver } = status;
  const unstored = [status, driver].some(
    (one) => isJsonObject(one) && typeof one['storeFault'] === 'string',
  );
  return `${line === undefined ? 'running' : line(status)}${unstored ? '; STORE NOT WRITTEN' : ''}`;
}

type Line = (status: JsonObject) => string;

const LINES: Readonly<Record<string, Line>> = {
  'mobile-node': mobileLine,
  'mobile-router': mobileLine,
  'home-agent': ({ bindings, tunnels, addresses, ipv4Addresses }) =>
    `listening on ${listOf(addresses, ipv4Addresses)}: ${count(bindings, 'binding')}, ` +
    `${count(tunnels, 'tunnel')}`,
  'correspondent-node': ({ bindings, addresses }) =>
    `listening on ${listOf(addresses)}: ${count(bindings, 'direct path')}`,
  'direction-coordinator': ({ zone, registrations }) =>
    `serving ${String(zone)}: ${count(registrations, 'node')}`,
  'account-server': ({ zone, port, accounts, devices }) =>
    `serving ${String(zone)} on port ${String(port)}: ${count(accounts, 'account')}, ` +
    `${count(devices, 'device')}`,
  relay: ({ nodes, legs }) => `relaying: ${count(nodes, 'node')}, ${count(legs, 'leg')}`,
};

function mobileLine({ homes, ntmobile }: JsonObject): string {
  const all = isJsonList(homes) ? homes.filter((home: JsonValue) => isJsonObject(home)) : [];
  const [only] = all;
  const lines =
    only !== undefined && all.length === 1
      ? [homeLine(only)]
      : all.map((home) => `${String(home['home'])}: ${homeLine(home)}`);
  return [
    ...lines,
    ...(isJsonObject(ntmobile) ? [`NTMobile: ${ntmobileLine(ntmobile)}`] : []),
  ].join('; ');
}

function ntmobileLine({
  name,
  coordinator,
  coordinatorName,
  loginFailure,
  paths,
}: JsonObject): string {
  if (typeof name !== 'string')
    return typeof loginFailure === 'string' ? loginFailure : 'no credential yet';
  const up = isJsonList(paths)
    ? paths.filter((path) => isJsonObject(path) && path['up'] === true).length
    : 0;
  const where = coordinator === 'registered' ? 'registered with' : 'not registered with';
  return `${name}, ${where} ${String(coordinatorName)}: ${count(up, 'path')}`;
}

function homeLine({ phase, bindings, careOfAddress, lastRefusal }: JsonObject): string {
  if (phase === 'registered' || phase === 'refreshing') {
    const [binding] = isJsonList(bindings) ? bindings : [];
    const homeAgent = isJsonObject(binding) ? String(binding['homeAgent']) : 'the home agent';
    return `registered with ${homeAgent}, care-of ${String(careOfAddress)}`;
  }
  const text = PHASES[String(phase)] ?? String(phase);
  if (phase === 'registering' && careOfAddress !== null)
    return `${text}, care-of ${String(careOfAddress)}`;
  return typeof lastRefusal === 'string' && phase === 'refused' ? `${text}: ${lastRefusal}` : text;
}

function listOf(...lists: readonly (JsonValue | undefined)[]): string {
  return lists.flatMap((list) => (isJsonList(list) ? list.map(String) : [])).join(', ');
}

function count(value: JsonValue | undefined, noun: string): string {
  return `${Number(value ?? 0)} ${noun}${value === 1 ? '' : 's'}`;
}
