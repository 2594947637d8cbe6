/** No form of an address leads around the judgement of a relay. docs/reference/ntmobile.md §10. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NAT64_PREFIX_LENGTHS } from '#base/embedded-ipv4.ts';
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  ipv4FromBytes,
  ipv6,
  ipv6FromBytes,
  isIpv6,
  networkOf,
  type Prefix,
  parseIpAddress,
  parsePrefix,
} from '#base/ip.ts';
import { SPECIAL_PURPOSE } from '#base/special-purpose.ts';
import { Destinations } from '#engine/ntmobile/relay/general/destinations.ts';

/** The translator's prefix of each length, and octets that the address does not determine. */
const TRANSLATOR = ipv6('2001:db8:a1b2:c3d4:e5:0:0:0');
const OWN_NETWORK = ['0.0.0.0/0', '::/0'];
/** Longer than the blocks of the registry: the IPv6 address itself is allowed. */
const OPEN = [
  ...['::/8', '64:ff9b:1::/49', '64:ff9b:1:8000::/49', '2001::/33', '2001:0:8000::/33'],
  ...['2000::/4', '2002::/17', '2002:8000::/17'],
];

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

function rules(
  translators: readonly Prefix[] = [],
  { denied = [], allowed = [] }: { denied?: readonly string[]; allowed?: readonly string[] } = {},
): Destinations {
  return new Destinations({
    virtualPrefixes: [],
    deniedDestinations: denied.map(prefixOf),
    allowedDestinations: allowed.map(prefixOf),
    nat64Prefixes: translators,
  });
}

const octetsOf = (address: Ipv4Address): number[] => address.split('.').map(Number);

/** RFC 6052 §2.2, written from its table of octets. */
const TRANSLATED_AT: Readonly<Record<number, readonly number[]>> = {
  32: [4, 5, 6, 7],
  40: [5, 6, 7, 9],
  48: [6, 7, 9, 10],
  56: [7, 9, 10, 11],
  64: [9, 10, 11, 12],
  96: [12, 13, 14, 15],
};

type Filler = Uint8Array;

function hidden(start: string, places: readonly number[], invert = 0) {
  return (address: Ipv4Address, filler: Filler): Ipv6Address => {
    const prefix = prefixOf(start);
    const octets = filler.slice();
    const bytes = isIpv6(prefix.address) ? ipv6Octets(prefix.address) : new Uint8Array(16);
    octets.set(bytes.subarray(0, prefix.length / 8));
    octetsOf(address).forEach((octet, index) => {
      octets[places[index] ?? 0] = octet ^ invert;
    });
    return ipv6FromBytes(octets);
  };
}

function ipv6Octets(address: Ipv6Address): Uint8Array {
  const bytes = new Uint8Array(16);
  const text = networkOf(address, 128);
  const [left = '', right = ''] = text.split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':'));
  const head = groups(left);
  const tail = text.includes('::') ? groups(right) : [];
  const all = [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  all.forEach((group, at) => {
    const value = Number.parseInt(group, 16);
    bytes[2 * at] = value >> 8;
    bytes[2 * at + 1] = value & 255;
  });
  return bytes;
}

const LAST = [12, 13, 14, 15];
const FORMS: Readonly<Record<string, (address: Ipv4Address, filler: Filler) => Ipv6Address>> = {
  'IPv4-mapped': (address) => ipv6(`::ffff:${address}`),
  'IPv4-compatible': hidden('::/96', LAST),
  'IPv4-translated': hidden('::ffff:0:0:0/96', LAST),
  'well-known translator': hidden('64:ff9b::/96', LAST),
  ...Object.fromEntries(
    [48, 56, 64, 96].map((length) => [
      `translator of local use, /${length}`,
      hidden('64:ff9b:1::/48', TRANSLATED_AT[length] ?? []),
    ]),
  ),
  '6to4': hidden('2002::/16', [2, 3, 4, 5]),
  'Teredo server': hidden('2001::/32', [4, 5, 6, 7]),
  'Teredo client': hidden('2001::/32', LAST, 0xff),
  'ISATAP, private': (address, filler) => isatap(address, filler, 0),
  'ISATAP, universal': (address, filler) => isatap(address, filler, 2),
  ...Object.fromEntries(
    NAT64_PREFIX_LENGTHS.map((length) => [
      `operator's translator, /${length}`,
      hidden(`${networkOf(TRANSLATOR, length)}/${length}`, TRANSLATED_AT[length] ?? []),
    ]),
  ),
};

function isatap(address: Ipv4Address, filler: Filler, flag: number): Ipv6Address {
  const octets = filler.slice();
  // Any global prefix.
  octets[0] = 0x26;
  octets.set([flag, 0, 0x5e, 0xfe, ...octetsOf(address)], 8);
  return ipv6FromBytes(octets);
}

/** The translator of this form alone, because the prefixes of the operator lie in one another. */
const translatorOf = (form: string): readonly Prefix[] => {
  const length = /operator's translator, \/(\d+)/.exec(form)?.[1];
  return length === undefined
    ? []
    : [prefixOf(`${networkOf(TRANSLATOR, Number(length))}/${length}`)];
};

const special = SPECIAL_PURPOSE.filter(
  ({ prefix, globallyReachable, name }) =>
    !isIpv6(prefix.address) && !globallyReachable && name !== 'documentation',
);
const anyIpv4 = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .map((octets) => ipv4FromBytes(octets));
const refusedIpv4 = fc
  .tuple(fc.constantFrom(...special), fc.uint8Array({ minLength: 4, maxLength: 4 }))
  .map(([{ prefix }, octets]) => {
    const network = isIpv6(prefix.address) ? ipv4('10.0.0.0') : prefix.address;
    const bytes = octetsOf(network);
    const mask = (0xffffffff << (32 - prefix.length)) >>> 0;
    return ipv4FromBytes(
      octets.map((octet, at) => {
        const kept = (mask >>> (24 - 8 * at)) & 255;
        return ((bytes[at] ?? 0) & kept) | (octet & ~kept & 255);
      }),
    );
  })
  .filter((address) => rules().refuses(address));
const filler = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe.each(Object.keys(FORMS))('an IPv4 address in the form %s', (form) => {
  const hide = FORMS[form] ?? (() => ipv6('::'));

  it('leads nowhere that the IPv4 address does not, whatever is allowed for IPv6', () => {
    fc.assert(
      fc.property(refusedIpv4, filler, fc.boolean(), (address, octets, allowed) => {
        const open = {
          allowed: allowed ? OPEN : [],
        };
        return rules(translatorOf(form), open).refuses(hide(address, octets));
      }),
      { numRuns: 500 },
    );
  });

  it('leads to no network that the operator denies', () => {
    fc.assert(
      fc.property(anyIpv4, filler, (address, octets) => {
        const denied = { denied: [`${address}/32`], allowed: OPEN };
        return rules(translatorOf(form), denied).refuses(hide(address, octets));
      }),
    );
  });
});

describe('Destinations', () => {
  it('serves translated and 6to4 addresses exactly if it serves the IPv4 address', () => {
    const served = ['well-known translator', '6to4', "operator's translator, /96"];
    fc.assert(
      fc.property(anyIpv4, filler, fc.constantFrom(...served), (address, octets, form) => {
        const judge = rules(translatorOf(form));
        const whole = FORMS[form]?.(address, octets) ?? ipv6('::');
        return judge.refuses(whole) === judge.refuses(address);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses IPv6 addresses outside of 2000::/3, except those of a translator', () => {
    fc.assert(
      fc.property(filler, (octets) => {
        const address = ipv6FromBytes(octets);
        return (octets[0] ?? 0) >> 5 === 1 || rules().refuses(address);
      }),
    );
  });

  it.each([
    ...['168.63.129.16', '169.254.169.254', '100.100.100.200', '192.0.0.192', '192.0.0.9'],
    ...['fd00:ec2::254', 'fd20:ce::254', 'fd00:42::42', 'fd00:c1::a9fe:a9fe', '2001:1::1'],
    ...['64:ff9b::a83f:8110', '2001:db8:64::a83f:8110', '2600::5efe:168.63.129.16'],
  ])('refuses the platform address %s although its block is allowed', (text) => {
    const address = parseIpAddress(text);
    if (address === undefined) throw new Error(text);
    const allowed = ['168.63.129.0/24', '100.64.0.0/10', 'fd00::/8', '192.0.0.0/24', '2001:1::/48'];
    const judge = rules([prefixOf('2001:db8:64::/96')], { allowed });
    expect(judge.refuses(address)).toBe(true);
  });

  it('serves nothing of the registry that the operator denies', () => {
    const judge = rules([], { denied: OWN_NETWORK });
    const served = SPECIAL_PURPOSE.map(({ prefix }): IpAddress => prefix.address).filter(
      (address) => !judge.refuses(address),
    );
    expect(served).toEqual([]);
  });
});

describe('the registry of special-purpose addresses', () => {
  it('names each block once, with its document', () => {
    const texts = SPECIAL_PURPOSE.map(({ prefix }) => `${prefix.address}/${prefix.length}`);
    expect(new Set(texts).size).toBe(texts.length);
    for (const { source } of SPECIAL_PURPOSE) expect(source).toMatch(/^RFC \d+( §[\d.]+)?$/);
  });
});
