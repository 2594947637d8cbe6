/**
 * Fields of configuration files: addresses, prefixes, ranges, key material. Each carries the
 * description that the generated documentation shows.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { fromHex } from '#base/bytes.ts';
import { NAT64_PREFIX_LENGTHS } from '#base/embedded-ipv4.ts';
import {
  isIpv6,
  type Prefix,
  parseIpAddress,
  parseIpv4,
  parseIpv6,
  parsePrefix,
} from '#base/ip.ts';
import type { ConfigurationContext } from './config.ts';
import { permissionRemedy } from './file-permission.ts';

/** Reports a fault at `path` below the value that is being checked. */
export type Report = (message: string, remedy: string, path?: readonly (string | number)[]) => void;

interface IssueSink {
  addIssue(issue: {
    readonly code: 'custom';
    readonly message: string;
    readonly path: PropertyKey[];
    readonly params: { readonly remedy: string };
  }): void;
}

/** Reports faults of a schema, with a remedy beside each message. */
export function reporter(context: IssueSink): Report {
  return (message, remedy, path = []) =>
    context.addIssue({ code: 'custom', message, path: [...path], params: { remedy } });
}

interface Checked<T> extends IssueSink {
  readonly value: T;
  readonly issues: readonly {
    readonly path?: readonly PropertyKey[] | undefined;
    readonly code: string;
  }[];
}

/**
 * For `superRefine(crossCheck(…), EVEN_WHEN_FAULTY)`: checks relations between fields even if some
 * fields are faulty, so that the operator sees all faults at once. `check` gets `undefined` for the
 * faulty parts, and its types must say so.
 */
export function crossCheck<T>(
  check: (sound: T, report: Report) => void,
): (value: T, context: Checked<T>) => void {
  return (value, context) => {
    const sound = structuredClone(value);
    for (const { path = [], code } of context.issues)
      if (code !== 'unrecognized_keys') leaveOut(sound, path);
    check(sound, reporter(context));
  };
}

export const EVEN_WHEN_FAULTY = {
  /** False only if the value as a whole is not a mapping. */
  when: ({ issues }: Pick<Checked<unknown>, 'issues'>): boolean =>
    issues.every(({ path = [], code }) => path.length > 0 || code === 'unrecognized_keys'),
};

function leaveOut(value: unknown, [first, ...rest]: readonly PropertyKey[]): void {
  if (
    typeof value !== 'object' ||
    value === null ||
    first === undefined ||
    !Reflect.has(value, first)
  )
    return;
  if (rest.length === 0) Reflect.set(value, first, undefined);
  else leaveOut(Reflect.get(value, first), rest);
}

/** Undefined stands for an absent or faulty part. */
export type PartialSettings<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** The sound entries of a list, with their indexes. */
export function soundEntries<T>(
  list: readonly (T | undefined)[] | undefined,
): readonly (readonly [number, T])[] {
  return [...(list ?? []).entries()].flatMap(([at, value]) =>
    value === undefined ? [] : [[at, value] as const],
  );
}

/** The list if every entry is sound; undefined otherwise. */
export function soundList<T>(
  list: readonly (T | undefined)[] | undefined,
): readonly T[] | undefined {
  const sound = soundEntries(list).map(([, value]) => value);
  return list !== undefined && sound.length === list.length ? sound : undefined;
}

/** A text that `parse` turns into a value; the fault shows an example. */
function parsedText<T>(parse: (text: string) => T | undefined, what: string, example: string) {
  return z
    .string()
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      reporter(context)(`"${text}" is not ${what}`, `for example ${example}`);
      return z.NEVER;
    })
    .meta({ kind: what.replace(/^an? /, '').replace(/ \(.*/, '') });
}

export const ipv6Field = () => parsedText(parseIpv6, 'an IPv6 address', '2001:db8::1');
export const ipv4Field = () => parsedText(parseIpv4, 'an IPv4 address', '192.0.2.1');
export const ipField = () =>
  parsedText(parseIpAddress, 'an IP address', '2001:db8::1 or 192.0.2.1');
export const prefixField = () =>
  parsedText(strictPrefix, 'a prefix', '2001:db8::/48 or 192.0.2.0/24');

export const ipv6PrefixField = () =>
  parsedText((text) => ofFamily(strictPrefix(text), 6), 'an IPv6 prefix', '2001:db8:1::/64');

export const ipv4PrefixField = () =>
  parsedText((text) => ofFamily(strictPrefix(text), 4), 'an IPv4 prefix', '192.0.2.0/24');

/** Of a translator, RFC 6052 §2.2. */
export const nat64PrefixField = () =>
  parsedText(
    (text) => {
      const prefix = ofFamily(strictPrefix(text), 6);
      return NAT64_PREFIX_LENGTHS.some((length) => length === prefix?.length) ? prefix : undefined;
    },
    `an IPv6 prefix of ${NAT64_PREFIX_LENGTHS.slice(0, -1).join(', ')} or 96 bits`,
    '2001:db8:64::/96',
  );

/** Rejects a prefix without a length or with host bits: both are usually typing errors. */
function strictPrefix(text: string): Prefix | undefined {
  const prefix = parsePrefix(text);
  const address = parseIpAddress(text.split('/')[0] ?? '');
  return text.includes('/') && prefix?.address === address ? prefix : undefined;
}

function ofFamily(prefix: Prefix | undefined, family: 4 | 6): Prefix | undefined {
  return prefix !== undefined && isIpv6(prefix.address) === (family === 6) ? prefix : undefined;
}

export function integerField(minimum: number, maximum: number) {
  return z.int().min(minimum).max(maximum);
}

/** A name that the kernel accepts for a network interface. */
export function deviceField() {
  return parsedText(
    (text) => (/^[^\s/:%]{1,15}$/.test(text) && text !== '.' && text !== '..' ? text : undefined),
    'an interface name (1 to 15 characters, no space, "/", ":" or "%")',
    'eth0',
  );
}

/** Whether the text is a DNS host name and not an address. */
export function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, '').split('.');
  const wellFormed = labels.every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label));
  return wellFormed && text.length <= 253 && /[A-Za-z]/.test(labels.at(-1) ?? '');
}

const KEY_FORM = 'write hex:… or base64:… or text:…';
const FRESH_KEY = 'make one with: echo "hex:$(openssl rand -hex 32)"';
const SMALLEST_KEY_OCTETS = 16;

/**
 * `key` (the key itself) or `keyFile` (a file that holds it in the same form), exactly one of them.
 */
export const keyShape = {
  key: z.string().optional().meta({
    description: 'the shared key itself: hex:…, base64:… or text:…, at least 16 octets',
    details: 'Either key or keyFile. A file with a key in it must not be readable by every user.',
    sample: 'hex:<64 hexadecimal digits>',
    secret: true,
  }),
  keyFile: z.string().optional().meta({
    description: 'file with the shared key in the same form; it must not be readable by every user',
    kind: 'file',
    sample: '/etc/sojourn/keys/name',
  }),
};

export interface KeySource {
  readonly key?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** The octets of the key that `source` names; undefined after it has reported a fault. */
export function resolveKey(
  source: KeySource,
  configuration: ConfigurationContext,
  report: Report,
): Uint8Array | undefined {
  if (source.key !== undefined && source.keyFile !== undefined) {
    report('both key and keyFile are given', 'remove one of them', ['keyFile']);
    return undefined;
  }
  if (source.key !== undefined) {
    return checkedKey(source.key, (message, remedy) => report(message, remedy, ['key']));
  }
  if (source.keyFile !== undefined) {
    return keyOfFile(resolve(configuration.directory, source.keyFile), (message, remedy) =>
      report(message, remedy, ['keyFile']),
    );
  }
  report('has no key', `give key or keyFile; ${FRESH_KEY}`);
  return undefined;
}

function keyOfFile(file: string, report: Report): Uint8Array | undefined {
  try {
    const { mode } = statSync(file);
    if ((mode & 0o004) !== 0) {
      report(`${file} is readable by every user`, `chmod o= ${file}`);
      return undefined;
    }
    return checkedKey(readFileSync(file, 'utf8').trim(), report);
  } catch (thrown) {
    report(
      `${file} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      permissionRemedy(thrown) ?? FRESH_KEY,
    );
    return undefined;
  }
}

/** Messages never repeat the text: it may be a mistyped key. */
function checkedKey(text: string, report: Report): Uint8Array | undefined {
  const key = parseKey(text);
  if (key === undefined) report('is not a key', KEY_FORM);
  else if (key.length < SMALLEST_KEY_OCTETS) {
    report(
      `the key has ${key.length} octets; at least ${SMALLEST_KEY_OCTETS} are needed`,
      FRESH_KEY,
    );
    return undefined;
  }
  return key;
}

/** `hex:`, `base64:` or `text:` (UTF-8) and the key. */
export function parseKey(text: string): Uint8Array | undefined {
  const [form, rest] = splitOnce(text, ':');
  if (form === 'hex') return /^([0-9a-fA-F]{2})+$/.test(rest) ? fromHex(rest) : undefined;
  if (form === 'text') return new TextEncoder().encode(rest);
  if (form === 'base64') {
    return /^[A-Za-z0-9+/]+={0,2}$/.test(rest)
      ? new Uint8Array(Buffer.from(rest, 'base64'))
      : undefined;
  }
  return undefined;
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
