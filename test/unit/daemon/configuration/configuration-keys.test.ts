/**
 * Each key of each daemon in the daemon's example: another value changes the settings, and a wrong
 * type is rejected at its position.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ownCertificate } from '#account-server/certificate.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { checkConfiguration, formatFault } from '#daemon/configuration/config.ts';
import { everyKey, type KeyDescription } from '#daemon/configuration/config-schema.ts';
import { completed } from '#daemon/configuration/config-values.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { configurationOf, roles, schemaOf } from '#docs/generator/daemons.ts';
import { readIfThere } from '#docs/generator/documents.ts';
import {
  CERTIFICATE,
  candidates,
  ESP_KEY,
  ESP_KEY_OF_36,
  merged,
  OTHER_KEY,
  TOGETHER,
  updated,
} from './configuration-values.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-keys-'));
writeFileSync(join(directory, OTHER_KEY), 'text:another key for tests', { mode: 0o600 });
writeFileSync(join(directory, ESP_KEY), ESP_KEY_OF_36, { mode: 0o600 });
await ownCertificate(join(directory, CERTIFICATE), ['as.example'], Date.now());
afterAll(() => rmSync(directory, { recursive: true }));

interface Subject {
  readonly role: string;
  readonly keys: readonly KeyDescription[];
  readonly example: JsonObject;
  /** What the variants start from. */
  readonly base: JsonObject;
  check(value: JsonObject): ReturnType<typeof checkConfiguration>;
}

/** Replaces the key files of the examples by existing ones. */
function withKeyFiles(text: string): string {
  return text.replaceAll(/\/etc\/sojourn\/keys\/[\w-]+/g, (file) => {
    const here = join(directory, basename(file));
    // Each direction of ESP has a key of its own, of 36 octets.
    const [, esp] = /-((?:data-)?to-(?:agent|node))$/.exec(here) ?? [];
    const key = esp === undefined ? 'text:a key for tests alone' : `text:${esp.padEnd(36, 'x')}`;
    writeFileSync(here, key, { mode: 0o600 });
    return here;
  });
}

/** Lets the keys of `security` and `esp` vary, which have no place beside a public key. */
function withoutPublicKeys(role: string, example: JsonObject): JsonObject {
  const list = { ha: 'mobileNodes', mn: 'homes', mr: 'homes' }[role];
  if (list === undefined) return example;
  const security = { spi: 1000, keyFile: '/etc/sojourn/keys/alice' };
  const value = merged(example, { [list]: [{ publicKey: null, security }] });
  return isJsonObject(value) ? value : {};
}

/** The example with every default written out. */
async function subjectOf(role: string): Promise<Subject> {
  const { keys } = await configurationOf(role);
  const parsed: JsonValue = parse(readIfThere(`examples/${role}.yaml`) ?? '');
  const schema = await schemaOf(role, directory);
  const file = join(directory, `${role}.yaml`);
  const example = completed(keys, isJsonObject(parsed) ? parsed : {});
  const base = completed(keys, withoutPublicKeys(role, example));
  return {
    ...{ role, keys, example, base },
    check: (value) => checkConfiguration(file, withKeyFiles(JSON.stringify(value)), () => schema),
  };
}

const SUBJECTS = await Promise.all(roles().map(subjectOf));
const KEYS = SUBJECTS.flatMap((subject) =>
  [...everyKey(subject.keys)].map((key) => [subject.role, key.path, key, subject] as const),
);

/** Whether the section of the key exists. */
function around({ path }: KeyDescription, { keys, base }: Subject): JsonObject {
  return updated(keys, base, path, (present) => present);
}

function variants(key: KeyDescription, subject: Subject): readonly JsonObject[] {
  const { role, keys, base } = subject;
  const together = TOGETHER[`${role} ${key.path}`];
  if (together !== undefined) {
    const value = merged(around(key, subject), together);
    return isJsonObject(value) ? [value] : [];
  }
  return candidates(key).map((value) => updated(keys, base, key.path, () => value));
}

describe('examples', () => {
  it.each(SUBJECTS.map((subject) => [subject.role, subject] as const))(
    '%s.yaml is right',
    (_, { example, check }) => {
      const result = check(example);
      expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
    },
  );
});

describe('another value of each key', () => {
  const leaves = KEYS.filter(([, , { children }]) => children.length === 0);

  it.each(leaves)('%s.yaml: %s changes the settings', (_role, _path, key, subject) => {
    const before = subject.check(around(key, subject));
    if (!before.ok) throw new Error(before.faults.map(formatFault).join('\n'));
    const tried = variants(key, subject).map((value) => subject.check(value));
    const faults = tried.flatMap((result) => (result.ok ? [] : result.faults.map(formatFault)));
    const counts = tried.some(
      (result) => result.ok && !isDeepStrictEqual(result.value, before.value),
    );
    // If no value is valid, give the key a kind or sample in its schema, or an entry in TOGETHER.
    expect(counts, `no other value of it found that is right: ${faults.join('\n')}`).toBe(true);
  });
});

describe('a value of another type', () => {
  it.each(KEYS)('%s.yaml: %s rejects it', (_role, path, key, subject) => {
    const wrong = key.type === 'mapping' || key.children.length > 0 ? 7 : { no: 1 };
    const result = subject.check(updated(subject.keys, subject.base, path, () => wrong));
    const faults = result.ok ? [] : result.faults;
    expect(faults.map((fault) => fault.path.replaceAll(/\[\d+\]/g, '[]'))).toContain(path);
    expect(faults.every(({ line, column }) => line === 1 && column >= 1)).toBe(true);
  });
});
