/** Differences between two configurations, and the configuration that a reload puts in force. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { JsonObject } from '#base/json.ts';
import {
  differences,
  withFileContents,
  withReloadable,
} from '#daemon/configuration/config-difference.ts';
import { keysOf, shapeOf } from '#daemon/configuration/config-schema.ts';
import { completed } from '#daemon/configuration/config-values.ts';

const node = z.strictObject({
  name: z.string().optional(),
  addresses: z.array(z.string()).default([]),
  allowed: z.boolean().default(true),
  security: z.strictObject({ key: z.string().meta({ secret: true }) }).optional(),
  keyFile: z.string().optional().meta({ kind: 'file' }),
});
const KEYS = keysOf(
  shapeOf(
    z.strictObject({
      port: z.int().default(4191),
      seconds: z.int().default(60).meta({ reloadable: true }),
      nodes: z.array(node).default([]).meta({ reloadable: true }),
      links: z
        .array(
          z.strictObject({
            device: z.string(),
            preference: z.int().default(0).meta({ reloadable: true }),
          }),
        )
        .default([]),
      process: z
        .strictObject({
          level: z.enum(['info', 'debug']).default('info').meta({ reloadable: true }),
          name: z.string().default('x'),
        })
        .prefault({}),
      section: z.strictObject({ size: z.int().default(1) }).optional(),
    }),
  ),
);

const directory = mkdtempSync(join(tmpdir(), 'sojourn-difference-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** `[+-~] setting old → new`; `~` marks a reloadable change. */
function changesOf(old: JsonObject, fresh: JsonObject): readonly string[] {
  return differences(KEYS, completed(KEYS, old), completed(KEYS, fresh)).map((change) => {
    const values = [change.old, change.new].map((value) =>
      value === undefined ? 'none' : JSON.stringify(value),
    );
    return `${change.reloadable ? '~' : '!'} ${change.setting} ${values.join(' → ')}`;
  });
}

describe('differences', () => {
  it('list changed keys with defaults and mark reloadable ones', () => {
    expect(
      changesOf({ port: 1, process: { level: 'debug' } }, { seconds: 5, process: { name: 'y' } }),
    ).toEqual([
      '! port 1 → 4191',
      '~ seconds 60 → 5',
      '~ process.level "debug" → "info"',
      '! process.name "x" → "y"',
    ]);
    expect(changesOf({ port: 4191 }, { seconds: 60, process: {} })).toEqual([]);
  });

  it('compare lists of mappings entry by entry, regardless of order', () => {
    const alice = { name: 'alice', addresses: ['::1'] };
    const bob = { name: 'bob', addresses: ['::2'] };
    const carol = { name: 'carol', addresses: ['::3'] };
    expect(changesOf({ nodes: [alice, bob] }, { nodes: [carol, bob, alice] })).toEqual([
      `~ nodes[0] none → ${JSON.stringify({ ...carol, allowed: true })}`,
    ]);
    expect(
      changesOf(
        { nodes: [alice, bob] },
        { nodes: [{ ...bob, addresses: ['::2', '::4'], allowed: false }] },
      ),
    ).toEqual([
      `~ nodes[0] ${JSON.stringify({ ...alice, allowed: true })} → none`,
      '~ nodes[0].addresses ["::2"] → ["::2","::4"]',
      '~ nodes[0].allowed true → false',
    ]);
  });

  it('include added and removed sections', () => {
    expect(changesOf({}, { section: {} })).toEqual(['! section none → {"size":1}']);
    expect(changesOf({ section: { size: 2 } }, { section: { size: 3 } })).toEqual([
      '! section.size 2 → 3',
    ]);
  });

  it('redact secrets', () => {
    const secret = (key: string) => ({ nodes: [{ name: 'alice', security: { key } }] });
    expect(changesOf(secret('hush'), secret('mute'))).toEqual([
      '~ nodes[0].security.key "[redacted]" → "[redacted]"',
    ]);
    expect(changesOf({}, secret('mute')).join()).not.toContain('mute');
    expect(changesOf(secret('hush'), {}).join()).not.toContain('hush');
  });

  it('include changed contents of files that keys name', () => {
    const file = join(directory, 'key');
    const values = () =>
      withFileContents(
        KEYS,
        completed(KEYS, { nodes: [{ name: 'alice', keyFile: 'key' }] }),
        directory,
      );
    const states = [undefined, 'one', 'one', 'two'].map((content) => {
      if (content !== undefined) writeFileSync(file, content);
      return values();
    });
    const changes = [1, 2, 3].map((at) =>
      differences(KEYS, states[at - 1] ?? {}, states[at] ?? {}),
    );
    const changed = {
      setting: 'nodes[0].keyFile',
      old: 'key',
      new: 'key (content changed)',
      reloadable: true,
    };
    expect(changes).toEqual([[changed], [], [changed]]);
    expect(JSON.stringify(differences(KEYS, {}, states[3] ?? {}))).not.toContain('\\u0000');
  });
});

describe('withReloadable', () => {
  const mix = (old: JsonObject, fresh: JsonObject) => withReloadable(KEYS, old, fresh);

  it('takes new values of reloadable keys and keeps old values of all others', () => {
    expect(
      mix(
        { port: 1, seconds: 1, process: { level: 'info', name: 'old' } },
        {
          port: 2,
          seconds: 2,
          process: { level: 'debug', name: 'new' },
          nodes: [{ name: 'alice' }],
        },
      ),
    ).toEqual({
      port: 1,
      seconds: 2,
      process: { level: 'debug', name: 'old' },
      nodes: [{ name: 'alice' }],
    });
  });

  it('keeps absent keys absent, according to the old or the new file', () => {
    expect(mix({ port: 1, seconds: 1 }, {})).toEqual({ port: 1 });
    expect(mix({}, { port: 2, process: { level: 'debug', name: 'new' } })).toEqual({
      process: { level: 'debug' },
    });
    expect(mix({ process: { name: 'old' } }, {})).toEqual({ process: { name: 'old' } });
    expect(mix({}, { process: { name: 'new' }, section: { size: 5 } })).toEqual({});
  });

  it('takes reloadable keys inside the entries of a list that is not reloadable', () => {
    const links = (...preferences: readonly number[]) => ({
      links: preferences.map((preference, at) => ({ device: `eth${at}`, preference })),
    });
    expect(mix(links(1, 2), links(3, 4))).toEqual(links(3, 4));
    expect(mix(links(1, 2), links(3))).toEqual(links(1, 2));
  });
});
