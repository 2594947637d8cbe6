import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../../..');
const DAEMONS = readdirSync(join(REPOSITORY, 'daemons')).toSorted();
const PAGES = readdirSync(join(REPOSITORY, 'man')).toSorted();
const pageText = (name: string): string => readFileSync(join(REPOSITORY, 'man', name), 'utf8');

describe('manual pages', () => {
  it('exist for the suite, its command, each daemon and each configuration file', () => {
    const wanted = [
      'sojourn.1',
      'sojourn.7',
      ...DAEMONS.flatMap((name) => [`sojourn-${name}.8`, `sojourn.${name}.yaml.5`]),
    ];
    expect(PAGES).toEqual(wanted.toSorted());
  });

  it.each(PAGES)('%s passes groff and mandoc lint', (name) => {
    const file = join(REPOSITORY, 'man', name);
    const groff = spawnSync('groff', ['-K', 'utf8', '-T', 'utf8', '-man', '-ww', '-z', file], {
      encoding: 'utf8',
    });
    expect([groff.status, groff.stderr]).toEqual([0, '']);
    const mandoc = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', file], { encoding: 'utf8' });
    // A date would be outdated by every change.
    expect(
      mandoc.stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date')),
    ).toEqual([]);
  });

  it.each(DAEMONS)('sojourn-%s(8) has exactly the options that --help shows', (name) => {
    const main = join(REPOSITORY, 'daemons', name, 'main.ts');
    const { stdout } = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
    const shown = [...stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, option]) => option);
    const text = pageText(`sojourn-${name}.8`).replaceAll('\\-', '-');
    const described = [...text.matchAll(/^\.B (?:-\w, )?--([\w-]+)/gm)].map(([, option]) => option);
    expect(shown.length).toBeGreaterThan(4);
    expect(described.toSorted()).toEqual(shown.toSorted());
  });

  it('sojourn(7) refers to the pages of all daemons', () => {
    for (const name of DAEMONS)
      expect(pageText('sojourn.7')).toContain(`.BR sojourn\\-${name} (8)`);
  });
});
