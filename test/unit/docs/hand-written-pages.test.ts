/**
 * Hand-written pages name only existing files, commands, options, keys, events, counters, metrics
 * and statuses, and need no sideways scrolling.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { everyKey } from '#daemon/configuration/config-schema.ts';
import { isMetricName } from '#daemon/metrics/metric-table.ts';
import { commands, globalOptions } from '#docs/generator/commands.ts';
import { configurationOf, REPOSITORY, roles } from '#docs/generator/daemons.ts';
import { EVENT_FIELDS } from '#engine/common/events/event-row.ts';
import { BINDING_STATUSES } from '#wire/mobility/binding-status.ts';

/** Pages with commands of `sojourn`. */
const PAGES = [
  'README.md',
  'docs/get-started/quickstart.md',
  'docs/guides/home-agent.md',
  'docs/guides/mobile-node.md',
  'docs/guides/vpn.md',
  'docs/guides/mobile-network.md',
  'docs/guides/ntmobile-servers.md',
  'docs/guides/operating.md',
  'docs/guides/beside-other-software.md',
  'docs/guides/troubleshooting.md',
];
const ALL_PAGES = [
  ...PAGES,
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'docs/README.md',
  'docs/get-started/concepts.md',
  'docs/guides/docker-lab.md',
  'docs/explain/design.md',
  'docs/explain/performance.md',
  'docs/explain/security.md',
  'docs/reference/benchmarks.md',
  'docs/explain/conformance.md',
  'docs/reference/ntmobile.md',
  'docs/reference/mobile-ipv6-callback.md',
  'docs/reference/mobile-ipv6-dns.md',
  'docs/reference/sealed-mobile-ipv6.md',
  'docs/reference/renamed.md',
];
const WIDEST_LINE = 100;
const WIDEST_CELL = 120;

const read = (page: string): string => readFileSync(join(REPOSITORY, page), 'utf8');

/** Every piece of code: spans, and the lines of blocks, except blocks that show output. */
function codeOf(page: string): readonly string[] {
  const text = read(page).replaceAll(/^```text\n[\s\S]*?^```$/gm, '');
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    block.split('\n'),
  );
  const spans = text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g);
  return [...blocks, ...[...spans].map(([, span = '']) => span)];
}

const spansOf = (page: string, form: RegExp): readonly string[] => [
  ...new Set(codeOf(page).filter((code) => form.test(code))),
];

const anchorsIn = (page: string): readonly string[] =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );

describe('width of hand-written pages', () => {
  it.each(ALL_PAGES)('%s needs no sideways scrolling', (page) => {
    const wide = read(page)
      .split('\n')
      .filter((line) =>
        line.startsWith('|')
          ? line.split(/(?<!\\)\|/).some((cell) => cell.length > WIDEST_CELL)
          : line.length > WIDEST_LINE,
      );
    expect(wide).toEqual([]);
  });
});

describe('links of hand-written pages', () => {
  it.each(ALL_PAGES)('%s links only to existing pages and headings', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(0);
    const dead = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : join(dirname(page), file);
      return (
        !existsSync(join(REPOSITORY, target)) ||
        (anchor !== undefined && !anchorsIn(target).includes(anchor))
      );
    });
    expect(dead).toEqual([]);
  });
});

describe('paths in hand-written pages', () => {
  const PATH =
    /^(src|daemons|native|test|lab|bench|docs|examples|systemd|docker|man)(\/[\w.-]+)+\/?$/;

  it.each(ALL_PAGES)('%s names only existing files and folders', (page) => {
    const named = codeOf(page).filter((code) => PATH.test(code));
    expect(named.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
  });
});

describe('commands in hand-written pages', () => {
  const known = commands();
  const takesValue = new Set(['--daemon', '--socket', '--timeout']);

  /** The error in the words after `sojourn`; undefined: none. */
  function faultOf(words: readonly string[]): string | undefined {
    const path = words.filter(
      (word, at) => !word.startsWith('-') && !takesValue.has(words[at - 1] ?? ''),
    );
    if (path.length === 0) return undefined;
    const command = known.find(
      (one) => one.path === path.slice(0, one.path.split(' ').length).join(' '),
    );
    if (command === undefined) return `no command: ${path.join(' ')}`;
    const flags = [...command.options, ...globalOptions()].flatMap(
      ([names]) => names.match(/-{1,2}[a-z][a-z0-9-]*/gi) ?? [],
    );
    const strange = words.find((word) => word.startsWith('-') && !flags.includes(word));
    return strange === undefined ? undefined : `${command.path} has no ${strange}`;
  }

  it.each(PAGES)('%s names only existing commands and options', (page) => {
    const found = codeOf(page).flatMap((line) =>
      [
        ...line.matchAll(/(?:^ *|[;&|(] *|run --silent )sojourn(?: --(?= ))?((?: +[\w.:@/-]+)*)/g),
      ].map(([, words = '']) => words.trim()),
    );
    expect(found.length).toBeGreaterThan(1);
    expect(
      found
        .map((words) => faultOf(words.split(/ +/).filter((word) => word !== '')))
        .filter(Boolean),
    ).toEqual([]);
  });
});

describe('names in hand-written pages', () => {
  /** The generated pages list all of them. */
  const names = new Set([
    ...['docs/reference/events.md', 'docs/reference/metrics.md'].flatMap(codeOf),
    ...Object.keys(BINDING_STATUSES),
    // A reason for a failed login that only the node itself knows.
    'wrong-clock',
  ]);
  let keys: ReadonlySet<string>;

  beforeAll(async () => {
    const all = await Promise.all(roles().map(configurationOf));
    keys = new Set([
      ...all.flatMap((one) => [...everyKey(one.keys)].map(({ name }) => name)),
      ...Object.keys(EVENT_FIELDS),
    ]);
  });

  it('troubleshooting.md names only existing events, counters and statuses', () => {
    const found = spansOf('docs/guides/troubleshooting.md', /^(?!sojourn-)[a-z]+(-[a-z0-9]+)+$/);
    expect(found.length).toBeGreaterThan(50);
    expect(found.filter((name) => !names.has(name))).toEqual([]);
  });

  it('troubleshooting.md shows the right number for each status', () => {
    const rows = [
      ...read('docs/guides/troubleshooting.md').matchAll(/^\| (\d{3}(?:, \d{3})*) \| ([^|]+) \|/gm),
    ];
    expect(rows.length).toBeGreaterThan(10);
    const codes = new Map(Object.entries(BINDING_STATUSES).map(([name, { code }]) => [name, code]));
    for (const [, numbers = '', text = ''] of rows) {
      const named = [...text.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => codes.get(name));
      expect(named.join(', ')).toBe(numbers);
    }
  });

  it.each(PAGES)('%s names only existing keys and fields', (page) => {
    const found = codeOf(page).filter((code) =>
      /^(daemon\.|ntmobile\.)?[a-z0-9]+[A-Z]\w*$/.test(code),
    );
    expect(found.filter((name) => !keys.has(name.replace(/^\w+\./, '')))).toEqual([]);
  });

  it.each(PAGES)('%s names only existing metrics', (page) => {
    const found = [...read(page).matchAll(/\bsojourn_[a-z][a-z_]+/g)].map(([name]) => name);
    expect(found.filter((name) => !isMetricName(name))).toEqual([]);
  });
});
