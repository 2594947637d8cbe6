/** Enforces the language rules that a program can check: width, test titles, banned phrasings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { badTitles, bannedPhrases, startsBadly, wideLines } from './tidy/language.ts';
import { filesBelow, parseSource, REPOSITORY, readSource } from './tidy/source.ts';

const FOLDERS = ['src', 'daemons', 'docs', 'lab', 'bench', 'test', 'docker'];
const PROSE = ['.ts', '.cc', '.h', '.md', '.py', '.pl', '.sh', '.yaml'];
/** The banned words and phrasings, and rows that show that the checks work. */
const ABOUT_LANGUAGE = new Set(['test/tidy/language.ts', 'test/tidy-language.test.ts']);

const texts = filesBelow([...FOLDERS, 'native', 'examples', 'packaging', 'systemd'], PROSE)
  .concat(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'])
  .filter((path) => !path.startsWith('native/build/') && !ABOUT_LANGUAGE.has(path))
  .map((path) => [path, readFileSync(join(REPOSITORY, path), 'utf8')] as const);

describe('the language', () => {
  it('ends lines of code and comments by column 100', () => {
    const code = texts.filter(([path]) => /\.(ts|cc|h)$/.test(path));
    expect(code.flatMap(([path, text]) => wideLines(path, text))).toEqual([]);
  });

  it('begins each test title with its subject or its verb', () => {
    const tests = filesBelow(['test'], ['.test.ts']).filter((path) => !ABOUT_LANGUAGE.has(path));
    expect(tests.map(readSource).flatMap(badTitles)).toEqual([]);
  });

  it('uses no phrasing that LANGUAGE bans', () => {
    expect(texts.flatMap(([path, text]) => bannedPhrases(path, text))).toEqual([]);
  });
});

describe('the checks of the language', () => {
  it.each([
    ['rejects a replayed datagram', false],
    ['with a replayed datagram', true],
    ['NEMO-HA_2_1_1 accepts a Binding Update', false],
    ['MN-2-1-1-1-001 with two homes', true],
    ['RFC 6275 §9.5.1: after a restart', true],
    ['is registered', true],
    ['Whatever comes', true],
  ])('judges the title "%s"', (title, bad) => {
    expect(startsBadly(title)).toBe(bad);
  });

  it('reads titles of it, test and the rows of it.each', () => {
    const text =
      "it('of a', f); test.skipIf(x)('with b', f); " +
      "it.each([['for c', 1], ['keeps d', 2]])('%s', f);";
    expect(
      badTitles(parseSource('test/a.test.ts', text)).map((line) => line.split(': ')[1]),
    ).toEqual(['of a', 'with b', 'for c']);
  });

  it('finds a banned phrase with its line', () => {
    expect(bannedPhrases('a.md', 'The relay\nwas told of it.')).toEqual(['a.md:2: told of']);
  });

  it('allows an import of one name that is wider', () => {
    const line = `import { x } from '#engine/${'x'.repeat(100)}.ts';`;
    expect(wideLines('a.ts', line)).toEqual([]);
  });

  it('allows 100 columns and no more', () => {
    expect(wideLines('a.ts', `${'x'.repeat(100)}\n${'x'.repeat(101)}`)).toEqual([
      'a.ts:2: 101 columns',
    ]);
  });
});
