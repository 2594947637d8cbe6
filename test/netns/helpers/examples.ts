/** The project's examples with the addresses of the lab. */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { completed } from '#daemon/configuration/config-values.ts';
import { configurationOf } from '#docs/generator/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { objectOf } from './journey.ts';

/** The public keys in the examples, by the daemon of the lab that has the private one. */
const PUBLIC_KEYS = {
  ha: 'base64:++QPX2PJ9+L0nKN7p2vM8ZxpQI8b5PnLcmKEkBSz90Q=',
  mn: 'base64:hGTBBNlqH0bM0OlbGhNJiWjq5cy/xnovsXfO3GIClDs=',
  mr: 'base64:gBqvwIgtFAo91UFPU777+gSkFujNiqZy3xBXf4Oq5x0=',
} as const;

/**
 * The examples' addresses and those of the lab. The order matters: the lab's mobile networks are in
 * the prefix of the examples' home network.
 */
const IN_THE_LAB: readonly (readonly [RegExp, string])[] = [
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

/** Makes the keys of the daemons that have none. */
function inTheLab(text: string): string {
  const addressed = IN_THE_LAB.reduce((rest, [from, to]) => rest.replaceAll(from, to), text);
  return Object.entries(PUBLIC_KEYS).reduce(
    (rest, [name, sample]) =>
      rest.includes(sample)
        ? rest.replaceAll(sample, daemonPublicKey({ stateDirectory: STATE_DIRECTORY, name }))
        : rest,
    addressed,
  );
}

/** The configuration in the example of a daemon, with every default written out. */
export async function example(role: string): Promise<JsonObject> {
  const { keys } = await configurationOf(role);
  const value: JsonValue = parse(readFileSync(exampleFile(`${role}.yaml`), 'utf8'));
  return objectOf(parse(inTheLab(stringify(completed(keys, objectOf(value))))));
}
