/** The project's examples with the addresses of the lab. */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { completed } from '#daemon/configuration/config-values.ts';
import { configurationOf } from '#docs/generator/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { objectOf } from './journey.ts';

/** The key file of all examples. */
export const KEY_FILE = `${LAB_DIRECTORY}/key`;

/**
 * The examples' addresses and those of the lab. The order matters: the lab's mobile networks are in
 * the prefix of the examples' home network.
 */
const IN_THE_LAB: readonly (readonly [RegExp, string])[] = [
  [/\/etc\/sojourn\/keys\/[a-z-]+/g, KEY_FILE],
  [/\/var\/lib\/sojourn/g, STATE_DIRECTORY],
  [/2001:db8:1:100::/g, '2001:db8:100::'],
  [/2001:db8:1:200::/g, '2001:db8:500::'],
  [/2001:db8:1::1\b/g, ADDRESSES.homeAgentIpv6],
  [/198\.51\.100\.1\b/g, ADDRESSES.homeAgentIpv4],
  [/198\.51\.100\./g, '192.0.2.'],
  [/203\.0\.113\.64\b/g, '198.51.100.128'],
  [/203\.0\.113\.65\b/g, '198.51.100.129'],
  [/203\.0\.113\.66\b/g, '198.51.100.130'],
  [/203\.0\.113\.78\b/g, '198.51.100.142'],
  [/ha\.example\.net/g, 'ha.example'],
  [/homeLink: eth1/g, 'homeLink: home0'],
];

export function exampleFile(name: string): string {
  return new URL(`../../../examples/${name}`, import.meta.url).pathname;
}

/** The text of an example, with the lab's addresses. */
export function exampleText(name: string): string {
  return inTheLab(readFileSync(exampleFile(name), 'utf8'));
}

function inTheLab(text: string): string {
  return IN_THE_LAB.reduce((rest, [pattern, value]) => rest.replaceAll(pattern, value), text);
}

/** The configuration in the example of a daemon, with every default written out. */
export async function example(role: string): Promise<JsonObject> {
  const { keys } = await configurationOf(role);
  const value: JsonValue = parse(readFileSync(exampleFile(`${role}.yaml`), 'utf8'));
  return objectOf(parse(inTheLab(stringify(completed(keys, objectOf(value))))));
}
