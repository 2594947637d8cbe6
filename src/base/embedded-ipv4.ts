/**
 * IPv4 addresses inside IPv6 addresses: a router on the way may translate a packet to them, or
 * tunnel it there.
 *
 * RFC 4291 §2.5.5  IPv4-compatible, IPv4-mapped;  RFC 2765 §2.1 IPv4-translated
 * RFC 6052 §2.2    translators, with prefixes of six lengths;  RFC 8215 those of local use
 * RFC 3056 §2      6to4;  RFC 4380 §4 Teredo, server and client;  RFC 5214 §6.1 ISATAP
 */
import {
  cachedAddressBytes,
  type IpAddress,
  type Ipv4Address,
  ipv4FromBytes,
  ipv6,
  isIpv6,
  type Prefix,
  prefixContains,
} from './ip.ts';

/** The lengths of a translator's prefix. */
export const NAT64_PREFIX_LENGTHS = [32, 40, 48, 56, 64, 96] as const;

/** The reserved octet 8 of RFC 6052 §2.2 lies between the octets of the IPv4 address. */
const RESERVED_OCTET = 8;

type Form = (octets: Uint8Array) => Ipv4Address;

const at =
  (offset: number): Form =>
  (octets) =>
    ipv4FromBytes(octets, offset);

/** RFC 6052 §2.2. */
const translated =
  (length: number): Form =>
  (octets) => {
    const first = length / 8;
    const places = [0, 1, 2, 3].map((index) => {
      const place = first + index;
      return length < 96 && place >= RESERVED_OCTET ? place + 1 : place;
    });
    return ipv4FromBytes(Uint8Array.from(places, (place) => octets[place] ?? 0));
  };

/** RFC 4380 §4: the client's address has all bits inverted. */
const teredoClient: Form = (octets) => ipv4FromBytes(octets.slice(12).map((octet) => octet ^ 0xff));

const LOCAL_USE_TRANSLATORS: Prefix = { address: ipv6('64:ff9b:1::'), length: 48 };

const FORMS: readonly { readonly prefix: Prefix; readonly forms: readonly Form[] }[] = [
  { prefix: { address: ipv6('::'), length: 96 }, forms: [at(12)] },
  { prefix: { address: ipv6('::ffff:0:0'), length: 96 }, forms: [at(12)] },
  { prefix: { address: ipv6('::ffff:0:0:0'), length: 96 }, forms: [at(12)] },
  { prefix: { address: ipv6('64:ff9b::'), length: 96 }, forms: [at(12)] },
  { prefix: { address: ipv6('2002::'), length: 16 }, forms: [at(2)] },
  { prefix: { address: ipv6('2001::'), length: 32 }, forms: [at(4), teredoClient] },
  // Which of its longer prefixes a translator uses is not known.
  {
    prefix: LOCAL_USE_TRANSLATORS,
    forms: NAT64_PREFIX_LENGTHS.filter((length) => length >= LOCAL_USE_TRANSLATORS.length).map(
      translated,
    ),
  },
];

/** An interface identifier of ISATAP: 0000:5efe or 0200:5efe, and the IPv4 address. */
function isIsatap(octets: Uint8Array): boolean {
  const [first = 0, second, third, fourth] = octets.subarray(8);
  return (first & 0xfd) === 0 && second === 0 && third === 0x5e && fourth === 0xfe;
}

/** `nat64Prefixes`: of translators besides the well-known ones. */
export function embeddedIpv4(
  address: IpAddress,
  nat64Prefixes: readonly Prefix[] = [],
): readonly Ipv4Address[] {
  if (!isIpv6(address)) return [];
  const octets = cachedAddressBytes(address);
  const found = FORMS.filter(({ prefix }) => prefixContains(prefix, address)).flatMap(({ forms }) =>
    forms.map((form) => form(octets)),
  );
  for (const prefix of nat64Prefixes)
    if (prefixContains(prefix, address)) found.push(translated(prefix.length)(octets));
  if (isIsatap(octets)) found.push(ipv4FromBytes(octets, 12));
  return found;
}
