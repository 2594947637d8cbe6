import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installFiles, removeFiles } from '#installer/placement.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sojourn-placement-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const FILE = {
  target: '/usr/share/a/b.txt',
  mode: 0o644,
  from: { octets: new TextEncoder().encode('b') },
};

describe('installed files', () => {
  it('create a destination that does not exist, and leave it empty when they are removed', () => {
    const destination = join(root, 'new/root');
    const made = installFiles([FILE], ['/etc/a'], destination);
    expect(made).toEqual([
      '/etc/',
      '/etc/a/',
      '/usr/',
      '/usr/share/',
      '/usr/share/a/',
      FILE.target,
    ]);
    expect(readFileSync(join(destination, FILE.target), 'utf8')).toBe('b');
    removeFiles(made, destination);
    expect(existsSync(join(destination, 'etc'))).toBe(false);
    expect(existsSync(join(destination, 'usr'))).toBe(false);
  });
});
