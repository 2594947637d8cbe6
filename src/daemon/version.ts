import { readFileSync } from 'node:fs';
import { parseObject } from './control/json-lines.ts';

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String(parseObject(text)?.['version'] ?? 'unknown');
}
