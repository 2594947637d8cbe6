import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PARTS } from '#test/vm/parts.ts';

const PROJECT = join(import.meta.dirname, '../../..');

describe('the parts of test/vm/run', () => {
  const files = Object.values(PARTS).flatMap(({ work }) =>
    work.kind === 'tests' ? work.files : work.argv.filter((word) => word.endsWith('.ts')),
  );

  it.each(files)('names the existing file %s', (file) => {
    expect(existsSync(join(PROJECT, file))).toBe(true);
  });
});
