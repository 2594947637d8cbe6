/** Documents generated from the configuration schemas are up to date and complete. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { JsonValue } from '#base/json.ts';
import { everyKey, type KeyDescription } from '#daemon/configuration/config-schema.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import {
  configurationOf,
  type DaemonConfiguration,
  REPOSITORY,
  roles,
} from '#docs/generator/daemons.ts';
import { documents, readIfThere } from '#docs/generator/documents.ts';
import { exampleFile } from '#docs/generator/example-file.ts';

const DAEMONS: readonly DaemonConfiguration[] = await Promise.all(roles().map(configurationOf));
const KEYS = DAEMONS.flatMap(({ role, keys }) =>
  [...everyKey(keys)].map((key) => [role, key.path, key] as const),
);

let written: ReadonlyMap<string, string>;
beforeAll(async () => {
  written = await documents();
});

/** `a.b[].c` for everything in the value. */
function pathsOf(value: JsonValue | undefined, path = ''): readonly string[] {
  if (isJsonList(value)) return [path, ...value.flatMap((entry) => pathsOf(entry, `${path}[]`))];
  if (!isJsonObject(value)) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([name, inner]) =>
      pathsOf(inner, path === '' ? name : `${path}.${name}`),
    ),
  ];
}

/** Includes everything that is commented out. */
function uncommented(text: string): JsonValue {
  const lines = text.split('\n').flatMap((line) => {
    const [, indent = '', marks = '', setting] =
      /^( *)((?:#(?: {2})*)*)((?:- )?[A-Za-z0-9]+:.*)$/.exec(line) ?? [];
    return setting === undefined ? [] : [indent + marks.replaceAll('#', '') + setting];
  });
  return parse(lines.join('\n'));
}

describe('generated documents', () => {
  it('match the code (npm run docs)', () => {
    const stale = [...written]
      .filter(([path, text]) => readIfThere(path) !== text)
      .map(([path]) => path);
    expect(stale).toEqual([]);
  });

  it.each(roles())('sojourn.%s.yaml(5) passes mandoc lint', (role) => {
    const file = join(REPOSITORY, `man/sojourn.${role}.yaml.5`);
    const { stdout, error } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', file], {
      encoding: 'utf8',
    });
    expect(error).toBeUndefined();
    // The page has no date: the package has one.
    expect(
      stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date')),
    ).toEqual([]);
  });

  it('keep the values of an existing example, and create a missing one', () => {
    const daemon: DaemonConfiguration = { role: 'x', description: 'thing', keys: [SIZE, COLOUR] };
    const changed = exampleFile(daemon, '# what was here\nsize: 7\n');
    expect(changed.split('\n').slice(5)).toEqual([
      '# Largest thing (octets, 1 to 9; reloadable).',
      'size: 7',
      '',
      '# What it looks like; blue unless given. It fades.',
      '#colour: red',
      '',
    ]);
    expect(exampleFile(daemon, changed)).toBe(changed);
    expect(exampleFile(daemon, undefined)).toContain('\n#size: 3\n');
  });
});

const PLAIN = { required: false, reloadable: false, secret: false, children: [] };
const SIZE: KeyDescription = {
  ...{
    ...PLAIN,
    name: 'size',
    path: 'size',
    type: 'whole number, 1 to 9',
    unit: 'octets',
    default: 3,
  },
  ...{ description: 'largest thing', reloadable: true },
};
const COLOUR: KeyDescription = {
  ...{ ...PLAIN, name: 'colour', path: 'colour', type: 'text', default: undefined, sample: 'red' },
  ...{ description: 'what it looks like; blue unless given', details: 'It fades.' },
};

describe('configuration keys', () => {
  it('cover every daemon', () => {
    expect(KEYS.map(([role, path]) => `${role} ${path}`)).toEqual(
      expect.arrayContaining([
        'ha mobileNodes[].security.spi',
        'as limits.source.burst',
        'dc zone',
        'mr homes[].name',
      ]),
    );
  });

  it.each(KEYS)('%s.yaml: %s has a description and a value to show', (_role, _path, key) => {
    const { description, details = '.', required, children, sample } = key;
    expect(description).toMatch(/^\S.{8,}[^.]$/);
    expect(details).toMatch(/\.$/);
    // A section shows its content.
    if (!required && children.length === 0) expect(key.default ?? sample).toBeDefined();
    if (Array.isArray(key.default) && key.default.length === 0 && children.length === 0)
      expect(sample).toBeDefined();
  });

  it.each(DAEMONS.map(({ role, keys }) => [role, keys] as const))(
    'appear in examples/%s.yaml',
    (role, keys) => {
      const there = new Set(pathsOf(uncommented(readIfThere(`examples/${role}.yaml`) ?? '')));
      expect(
        [...everyKey(keys)].map(({ path }) => path).filter((path) => !there.has(path)),
      ).toEqual([]);
    },
  );

  it.each(DAEMONS.map(({ role, keys }) => [role, keys] as const))(
    'appear in sojourn.%s.yaml(5)',
    (role, keys) => {
      const { stdout } = spawnSync('mandoc', [
        '-T',
        'utf8',
        join(REPOSITORY, `man/sojourn.${role}.yaml.5`),
      ]);
      const page = String(stdout).replaceAll(/.[\b]/g, '');
      const missing = [...everyKey(keys)].filter(({ path }) => !page.includes(` ${path} (`));
      expect(missing.map(({ path }) => path)).toEqual([]);
    },
  );

  it('become reloadable below a reloadable key', () => {
    const taken = KEYS.filter(([, , { reloadable }]) => reloadable);
    const left = taken.flatMap(([role, , { children }]) =>
      [...everyKey(children)]
        .filter(({ reloadable }) => !reloadable)
        .map(({ path }) => `${role} ${path}`),
    );
    expect(left).toEqual([]);
  });

  it('count as secret if they contain a key or a password', () => {
    const secrets = KEYS.filter(([, , { name }]) =>
      /(^k|K)ey$|password$|[tT]oken$|[sS]ecret$/.test(name),
    );
    expect(
      secrets
        .filter(([, , { name, secret }]) => !secret && name !== 'publicKey')
        .map(([, path]) => path),
    ).toEqual([]);
    expect(
      secrets
        .filter(([, , { name, secret }]) => !secret && name !== 'publicKey')
        .map(([, path]) => path),
    ).toEqual([]);
  });
});
