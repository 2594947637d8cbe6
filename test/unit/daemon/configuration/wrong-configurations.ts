/**
 * The wrong configurations in test/configurations: `<daemon>-<what is wrong>.yaml`, with drop-ins
 * beside. The last lines of each say, behind `#> `, what its daemon tells an operator of it.
 * docs/reference/configuration.md shows them.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const CONFIGURATIONS = join(import.meta.dirname, '../../../configurations');

export interface WrongConfiguration {
  readonly file: string;
  readonly role: string;
  readonly says: readonly string[];
}

export function wrongConfigurations(): readonly WrongConfiguration[] {
  return readdirSync(CONFIGURATIONS, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .map(({ name: file }) => {
      const lines = readFileSync(join(CONFIGURATIONS, file), 'utf8').split('\n');
      const says = lines.filter((line) => line.startsWith('#> ')).map((line) => line.slice(3));
      return { file, role: file.split('-')[0] ?? '', says };
    })
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

const KEYS: readonly (readonly [string, number, string])[] = [
  ['good', 0o600, 'hex:000102030405060708090a0b0c0d0e0f\n'],
  ['open', 0o644, 'hex:000102030405060708090a0b0c0d0e0f\n'],
  ['garbage', 0o600, 'correct horse battery staple\n'],
  ['short', 0o600, 'text:secret\n'],
];

/** All of them in `directory`, with the keys that they name, as they would be in /etc/sojourn. */
export function installConfigurations(directory: string): void {
  cpSync(CONFIGURATIONS, directory, { recursive: true });
  mkdirSync(join(directory, 'keys'));
  const mask = process.umask(0);
  for (const [name, mode, text] of KEYS)
    writeFileSync(join(directory, 'keys', name), text, { mode });
  process.umask(mask);
}
