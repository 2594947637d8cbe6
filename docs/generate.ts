/** Writes every document that is made from the code: `npm run docs`. Says which changed. */
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
