/**
 * The wrong configurations in test/configurations: `<daemon>/<what is wrong>.yaml`, with drop-ins
 * beside. The last lines of each contain, after `#> `, the output of its daemon.
 * docs/reference/configuration.md shows them.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CONFIGURATIONS = join(import.meta.dirname, '../../../configurations');

interface WrongConfiguration {
  readonly file: string;
  readonly role: string;
  /** The lines that the daemon prints. */
  readonly faults: readonly string[];
}

export function wrongConfigurations(): readonly WrongConfiguration[] {
  return readdirSync(CONFIGURATIONS).sort().flatMap(ofDaemon);
}

function ofDaemon(role: string): readonly WrongConfiguration[] {
  const directory = join(CONFIGURATIONS, role);
  const files = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .map(({ name }) => name);
  return files.sort().map((file) => {
    const lines = readFileSync(join(directory, file), 'utf8').split('\n');
    const faults = lines.filter((line) => line.startsWith('#> ')).map((line) => line.slice(3));
    return { file, role, faults };
  });
}

const KEYS: readonly (readonly [string, number, string])[] = [
  ['good', 0o600, 'hex:000102030405060708090a0b0c0d0e0f\n'],
  ['open', 0o644, 'hex:000102030405060708090a0b0c0d0e0f\n'],
  ['garbage', 0o600, 'correct horse battery staple\n'],
  ['short', 0o600, 'text:secret\n'],
];

/** Copies one folder for each daemon into `directory`, with the keys that the files name. */
export function installConfigurations(directory: string): void {
  cpSync(CONFIGURATIONS, directory, { recursive: true });
  const mask = process.umask(0);
  for (const role of readdirSync(directory)) {
    mkdirSync(join(directory, role, 'keys'));
    for (const [name, mode, text] of KEYS)
      writeFileSync(join(directory, role, 'keys', name), text, { mode });
  }
  process.umask(mask);
}
