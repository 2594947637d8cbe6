/** Other values for each key of a configuration, and how to put them into one. */

import type { JsonObject, JsonValue } from '#base/json.ts';
import type { KeyDescription } from '#daemon/configuration/config-schema.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';

const KEY = 'hex:202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f';

/** Values of a text, by its kind. */
const BY_KIND: Readonly<Record<string, readonly JsonValue[]>> = {
  'IPv6 address': ['2001:db8:1::9', '2001:db8:1:100::9'],
  'IPv4 address': ['198.51.100.9'],
  'IP address': ['192.0.2.9'],
  'loopback address': ['127.0.0.9'],
  'IPv6 prefix': ['2001:db8:1:900::/64', 'fd12:3456:9999::/48'],
  'IPv4 prefix': ['203.0.113.0/24', '198.18.0.0/24'],
  prefix: ['2001:db8:9::/64'],
  'address/length': ['2001:db8:1:200::9/64'],
  'interface name': ['eth9'],
  'domain name': ['other.example'],
  'public key': [KEY],
  endpoint: ['192.0.2.9:999'],
  name: ['other'],
  path: ['/other/place'],
};

/** A key and a certificate with its key, beside the configuration. */
export const OTHER_KEY = 'other.key';
export const CERTIFICATE = 'certificate.pem';

/** A key of AES-GCM with 256 bits and its salt, and the file that contains it. */
export const ESP_KEY_OF_36 = `hex:${'5a'.repeat(36)}`;
export const ESP_KEY = 'esp.key';

/** The keys of one direction of `esp`, in the list of `name`. */
function espKeys(role: string, list: string): readonly [string, JsonObject][] {
  const of = (part: JsonObject): JsonObject => ({ [list]: [{ esp: part }] });
  const hmac = (octet: string): JsonObject => ({
    keyFile: null,
    key: `hex:${octet.repeat(32)}`,
  });
  const both = { toHomeAgent: hmac('11'), toMobileNode: hmac('22') };
  const data = {
    toHomeAgent: { spi: 1003, key: `hex:${'33'.repeat(32)}` },
    toMobileNode: { spi: 1004, key: `hex:${'44'.repeat(32)}` },
  };
  const algorithm = of({ algorithm: 'null-hmac-sha256-128', ...both, data });
  const pair = (
    path: string,
    part: (direction: JsonObject) => JsonObject,
  ): readonly [string, JsonObject][] =>
    ['toHomeAgent', 'toMobileNode'].flatMap((name): [string, JsonObject][] => [
      [`${path}.${name}.key`, of(part({ [name]: { keyFile: null, key: ESP_KEY_OF_36 } }))],
      [`${path}.${name}.keyFile`, of(part({ [name]: { keyFile: ESP_KEY } }))],
    ]);
  const path = `${role} ${list}[].esp`;
  return [
    [`${path}.algorithm`, algorithm],
    ...pair(path, (direction) => direction),
    ...pair(`${path}.data`, (direction) => ({ data: direction })),
  ];
}

const OPERATORS_CERTIFICATE = {
  certificate: { certificateFile: CERTIFICATE, keyFile: CERTIFICATE },
};
const otherKey = (part: JsonObject): JsonObject => ({
  security: { key: null, keyFile: null, ...part },
});

/** The keys that a key requires, merged with the base (null removes); by role and path. */
export const TOGETHER: Readonly<Record<string, JsonObject>> = {
  'as certificate.certificateFile': OPERATORS_CERTIFICATE,
  'as certificate.keyFile': OPERATORS_CERTIFICATE,
  'ha homePrefixes': { homePrefixes: ['2001:db8:1:100::/64', '2001:db8:1:900::/64'] },
  'ha ipv4HomePrefixes': { ipv4HomePrefixes: ['198.51.100.0/24', '203.0.113.0/24'] },
  'ha ipv4Pool': { ipv4Pool: '198.51.100.64/26' },
  'ha mobileNodes[].security.key': { mobileNodes: [otherKey({ key: KEY })] },
  'ha mobileNodes[].security.keyFile': { mobileNodes: [otherKey({ keyFile: OTHER_KEY })] },
  'ha mobileNodes[].publicKey': { mobileNodes: [{ security: null, publicKey: KEY }] },
  'ha mobileNodes[].postQuantum': {
    mobileNodes: [{ security: null, publicKey: KEY, postQuantum: 'required' }],
  },
  ...Object.fromEntries([
    ...espKeys('ha', 'mobileNodes'),
    ...espKeys('mn', 'homes'),
    ...espKeys('mr', 'homes'),
  ]),
  ...Object.fromEntries(
    ['mn', 'mr'].flatMap((role): [string, JsonObject][] => [
      [`${role} homes[].homePrefix`, { homes: [{ homePrefix: '2001:db8:1:100::/60' }] }],
      [
        `${role} homes[].virtualHomeNetwork`,
        { homes: [{ virtualHomeNetwork: true, ipv4HomeLink: null }] },
      ],
      [
        `${role} killSwitch`,
        {
          killSwitch: true,
          homes: [{ virtualHomeNetwork: true, ipv4HomeLink: null }],
          ...(role === 'mn' ? { ntmobile: null } : {}),
        },
      ],
      [`${role} homes[].publicKey`, { homes: [{ security: null, publicKey: KEY }] }],
      [
        `${role} homes[].postQuantum`,
        { homes: [{ security: null, publicKey: KEY, postQuantum: 'required' }] },
      ],
      [`${role} homes[].security.key`, { homes: [otherKey({ key: KEY })] }],
      [`${role} homes[].security.keyFile`, { homes: [otherKey({ keyFile: OTHER_KEY })] }],
    ]),
  ),
  'mn ntmobile.accountServer.caFile': { ntmobile: { accountServer: { caFile: CERTIFICATE } } },
  'mn ntmobile.passwordFile': { ntmobile: { passwordFile: OTHER_KEY } },
  'mn ntmobile.enrolmentTokenFile': {
    ntmobile: { passwordFile: null, enrolmentTokenFile: OTHER_KEY },
  },
  'mr homes[].mobileNetworkPrefixes': {
    homes: [
      { mobileNetworkPrefixes: ['2001:db8:1:200::/64', '203.0.113.64/28', '2001:db8:1:300::/64'] },
    ],
  },
};

/** Candidate values of the key, likely ones first; one of them is valid. */
export function candidates(key: KeyDescription): readonly JsonValue[] {
  const { sample, type, kind } = key;
  const texts = [...(kind === undefined ? [] : (BY_KIND[kind] ?? [])), ...(BY_KIND[type] ?? [])];
  const range = /(-?\d+(?:\.\d+)?) to (-?\d+(?:\.\d+)?)$/.exec(type)?.slice(1).map(Number) ?? [];
  const [least = 0, most = 0] = range;
  const numbers = range.length === 0 ? [] : [most, least, (least + most) / 2, least + 2, least + 1];
  const choices = type.split(/ \| |, or /).filter((one) => /^[a-z0-9-]+$/.test(one));
  const list = /^list of /.test(type);
  const entries = list
    ? Object.entries(BY_KIND).filter(([name]) => type.startsWith(`list of ${name}`))
    : [];
  const entryChoices = list ? type.replace('list of ', '').split(' | ') : [];
  return [
    ...(sample === undefined ? [] : [sample]),
    ...numbers.filter((one) => Number.isInteger(one) || !type.startsWith('whole')),
    ...(choices.includes('true') ? [true, false] : choices),
    ...texts,
    ...entries.flatMap(([, values]) => values.map((one) => [one])),
    ...(list ? entryChoices.map((one) => [one]) : []),
    'other',
  ];
}

/**
 * `base` with another value at `path`, in the first entry of each list. Absent sections get their
 * required keys.
 */
export function updated(
  keys: readonly KeyDescription[],
  base: JsonObject,
  path: string,
  update: (present: JsonValue | undefined) => JsonValue | undefined,
): JsonObject {
  const [first = '', ...rest] = path.split('.');
  const name = first.replace('[]', '');
  const present = base[name];
  if (rest.length === 0) return { ...base, [name]: update(present) };
  const key = keys.find((one) => one.name === name);
  const inner = (section: JsonValue | undefined): JsonObject =>
    updated(
      key?.children ?? [],
      isJsonObject(section) ? section : requiredOf(key),
      rest.join('.'),
      update,
    );
  if (isJsonList(present)) return { ...base, [name]: [inner(present[0]), ...present.slice(1)] };
  return { ...base, [name]: first.endsWith('[]') ? [inner(undefined)] : inner(present) };
}

function requiredOf(key: KeyDescription | undefined): JsonObject {
  if (isJsonObject(key?.sample)) return key.sample;
  const required = key?.children.filter((one) => one.required) ?? [];
  return Object.fromEntries(required.map(({ name, sample = null }) => [name, sample]));
}

/** Merges mappings deeply, lists of mappings entry by entry; null removes. */
export function merged(base: JsonValue | undefined, over: JsonValue): JsonValue {
  if (isJsonList(base) && isJsonList(over) && base.some(isJsonObject)) {
    return Object.assign(
      [...base],
      over.map((one, at) => merged(base[at], one)),
    );
  }
  if (!isJsonObject(base) || !isJsonObject(over)) return over;
  const both = Object.entries(over).map(
    ([name, value = null]) => [name, merged(base[name], value)] as const,
  );
  return Object.fromEntries(
    Object.entries({ ...base, ...Object.fromEntries(both) }).filter(([, one]) => one !== null),
  );
}
