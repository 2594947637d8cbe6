/** Writes every generated document, and prints the paths of those that changed: `npm run docs`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REPOSITORY } from './generator/daemons.ts';
import { documents, readIfThere } from './generator/documents.ts';

for (const [path, text] of await documents()) {
  if (readIfThere(path) === text) continue;
  mkdirSync(dirname(join(REPOSITORY, path)), { recursive: true });
  writeFileSync(join(REPOSITORY, path), text);
  process.stdout.write(`${path}\n`);
}
