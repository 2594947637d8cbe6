/**
 * Values of the options that enrol a mobile node at a home agent.
 *
 * No RFC: docs/reference/enrolment.md §2
 *
 *   request   secret (16) | length of the name | name, padded with zeros to 63 octets
 *   grant     home address (16) | length of the home prefix | flags | IPv4 home address (4)
 *             | for each prefix: family, length, address (4 or 16)
 *
 * A request has a fixed size, so that no answer is larger than the initiation that carried it, and
 * so that its length does not show the name.
 */
import type { Reader, Writer } from '#base/bytes.ts';
import {
  type Ipv4Address,
  type Ipv6Address,
  isIpv6,
  isUnspecified,
  networkOf,
  type Prefix,
  readIpv4,
  readIpv6,
  UNSPECIFIED_V4,
  writeIp,
} from '#base/ip.ts';

export const SECRET_OCTETS = 16;
const NAME_FIELD_OCTETS = 63;
/** A grant with more would be larger than the initiation. */
export const MOST_GRANTED_PREFIXES = 4;
export const ENROLMENT_REQUEST_OCTETS = SECRET_OCTETS + 1 + NAME_FIELD_OCTETS;

const VIRTUAL_HOME_NETWORK = 1;
const IPV4_DYNAMIC = 2;
const IPV4_FIXED = 4;
const FLAGS = VIRTUAL_HOME_NETWORK | IPV4_DYNAMIC | IPV4_FIXED;

export interface EnrolmentRequest {
  readonly secret: Uint8Array;
  /** As in the enrolment line. */
  readonly name: string;
}

/** What a node writes into its configuration. */
export interface EnrolmentGrant {
  readonly homeAddress: Ipv6Address;
  readonly homePrefixLength: number;
  /** The home network has no link: the node is never at home. */
  readonly virtualHomeNetwork: boolean;
  /** `dynamic`: the home agent allocates one when the node registers. */
  readonly ipv4HomeAddress: Ipv4Address | 'none' | 'dynamic';
  readonly mobileNetworkPrefixes: readonly Prefix[];
}

export function readEnrolmentRequest(reader: Reader): EnrolmentRequest {
  const secret = reader.bytes(SECRET_OCTETS).slice();
  const length = reader.u8();
  const field = reader.bytes(NAME_FIELD_OCTETS);
  if (length > NAME_FIELD_OCTETS) reader.fail('name too long');
  if (field.subarray(length).some((octet) => octet !== 0)) reader.fail('padding is not zero');
  const octets = field.subarray(0, length);
  if (octets.some((octet) => octet <= 0x20 || octet >= 0x7f)) reader.fail('name is no plain text');
  return { secret, name: String.fromCharCode(...octets) };
}

export function writeEnrolmentRequest({ secret, name }: EnrolmentRequest, writer: Writer): void {
  writer.bytes(secret);
  writer.u8(name.length);
  writer.bytes(new TextEncoder().encode(name));
  writer.zero(NAME_FIELD_OCTETS - name.length);
}

export function readEnrolmentGrant(reader: Reader): EnrolmentGrant {
  const homeAddress = readIpv6(reader);
  const homePrefixLength = reader.u8();
  const flags = reader.u8();
  const address = readIpv4(reader);
  if (homePrefixLength > 128) reader.fail('prefix length out of range');
  const both = IPV4_DYNAMIC | IPV4_FIXED;
  if ((flags & ~FLAGS) !== 0 || (flags & both) === both)
    reader.fail('contradictory or unknown flags');
  const fixed = (flags & IPV4_FIXED) !== 0;
  if (fixed === isUnspecified(address)) reader.fail('IPv4 address and flags disagree');
  const mobileNetworkPrefixes: Prefix[] = [];
  while (reader.remaining > 0) mobileNetworkPrefixes.push(readPrefix(reader));
  if (mobileNetworkPrefixes.length > MOST_GRANTED_PREFIXES) reader.fail('too many prefixes');
  return {
    ...{ homeAddress, homePrefixLength, mobileNetworkPrefixes },
    virtualHomeNetwork: (flags & VIRTUAL_HOME_NETWORK) !== 0,
    ipv4HomeAddress: fixed ? address : (flags & IPV4_DYNAMIC) !== 0 ? 'dynamic' : 'none',
  };
}

function readPrefix(reader: Reader): Prefix {
  const family = reader.u8();
  const length = reader.u8();
  if (family !== 4 && family !== 6) reader.fail('unknown address family');
  if (length > (family === 4 ? 32 : 128)) reader.fail('prefix length out of range');
  const address = family === 4 ? readIpv4(reader) : readIpv6(reader);
  if (networkOf(address, length) !== address) reader.fail('bits behind the prefix length');
  return { address, length };
}

export function sizeOfEnrolmentGrant({ mobileNetworkPrefixes }: EnrolmentGrant): number {
  const sizes = mobileNetworkPrefixes.map(({ address }) => (isIpv6(address) ? 18 : 6));
  return 16 + 1 + 1 + 4 + sizes.reduce((sum, size) => sum + size, 0);
}

export function writeEnrolmentGrant(grant: EnrolmentGrant, writer: Writer): void {
  const { ipv4HomeAddress } = grant;
  const fixed = ipv4HomeAddress !== 'none' && ipv4HomeAddress !== 'dynamic';
  writeIp(writer, grant.homeAddress);
  writer.u8(grant.homePrefixLength);
  writer.u8(
    (grant.virtualHomeNetwork ? VIRTUAL_HOME_NETWORK : 0) |
      (fixed ? IPV4_FIXED : 0) |
      (ipv4HomeAddress === 'dynamic' ? IPV4_DYNAMIC : 0),
  );
  writeIp(writer, fixed ? ipv4HomeAddress : UNSPECIFIED_V4);
  for (const { address, length } of grant.mobileNetworkPrefixes) {
    writer.u8(isIpv6(address) ? 6 : 4);
    writer.u8(length);
    writeIp(writer, address);
  }
}
