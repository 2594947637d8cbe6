/**
 * Node credentials: an account server's signed statement of a node's identity.
 *
 * docs/reference/ntmobile.md §2.1; names are LDH labels of RFC 1123 §2.1, groups UTF-8 (RFC 3629)
 * Left out: verification of the signature (crypto/node-credential.ts).
 *
 * Octet strings of parsed values are copies.
 */
import { type Codec, decode, type Reader, type Writer } from '#base/bytes.ts';
import { type Ipv4Address, type Ipv6Address, readIpv4, readIpv6, writeIp } from '#base/ip.ts';
import { isDomainName } from './options.ts';

export const SIGNATURE_OCTETS = 64;
const VERSION = 1;
const FIXED_OCTETS = 97;
export const MOST_GROUPS = 16;
const LONGEST_GROUP = 63;

/** Times in seconds since 1970-01-01. */
export interface NodeCredential {
  /** The first eight octets of SHA-256 of the account server's Ed25519 public key. */
  readonly authorityKeyId: Uint8Array;
  /** Sixteen octets. */
  readonly nodeId: Uint8Array;
  /** X25519. */
  readonly publicKey: Uint8Array;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address;
  readonly notBefore: bigint;
  readonly notAfter: bigint;
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly groups: readonly string[];
  readonly signature: Uint8Array;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function readText(reader: Reader, length: number, what: string): string {
  try {
    return UTF8.decode(reader.bytes(length));
  } catch (thrown) {
    if (thrown instanceof TypeError) return reader.fail(`${what} is no UTF-8`);
    throw thrown;
  }
}

function readGroups(reader: Reader): readonly string[] {
  const count = reader.u8();
  if (count > MOST_GROUPS) reader.fail('too many groups');
  return Array.from({ length: count }, () => {
    const length = reader.u8();
    if (length === 0 || length > LONGEST_GROUP) reader.fail('group of wrong length');
    return readText(reader, length, 'group');
  });
}

function parse(reader: Reader): NodeCredential {
  const octets = reader.remaining;
  if (reader.u8() !== VERSION) reader.fail('unknown version');
  if (reader.u8() !== 0) reader.fail('flags are not zero');
  if (reader.u16() !== octets) reader.fail('length of another credential');
  const authorityKeyId = reader.bytes(8).slice();
  const nodeId = reader.bytes(16).slice();
  const publicKey = reader.bytes(32).slice();
  const virtualIpv6 = readIpv6(reader);
  const virtualIpv4 = readIpv4(reader);
  const notBefore = reader.u64();
  const notAfter = reader.u64();
  if (notBefore >= notAfter) reader.fail('ends before it begins');
  const name = readText(reader, reader.u8(), 'name');
  if (!isDomainName(name)) reader.fail('no domain name');
  const groups = readGroups(reader);
  if (reader.remaining !== SIGNATURE_OCTETS) reader.fail('signature of wrong length');
  const signature = reader.rest().slice();
  return {
    authorityKeyId,
    nodeId,
    publicKey,
    virtualIpv6,
    virtualIpv4,
    notBefore,
    notAfter,
    name,
    groups,
    signature,
  };
}

function size({ name, groups }: NodeCredential): number {
  const groupOctets = groups.reduce((sum, group) => sum + 1 + utf8(group).length, 0);
  return FIXED_OCTETS + name.length + 1 + groupOctets + SIGNATURE_OCTETS;
}

function write(credential: NodeCredential, writer: Writer): void {
  writer.u8(VERSION);
  writer.u8(0);
  writer.u16(size(credential));
  writer.bytes(credential.authorityKeyId);
  writer.bytes(credential.nodeId);
  writer.bytes(credential.publicKey);
  writeIp(writer, credential.virtualIpv6);
  writeIp(writer, credential.virtualIpv4);
  writer.u64(credential.notBefore);
  writer.u64(credential.notAfter);
  const name = utf8(credential.name);
  writer.u8(name.length);
  writer.bytes(name);
  writer.u8(credential.groups.length);
  for (const group of credential.groups.map(utf8)) {
    writer.u8(group.length);
    writer.bytes(group);
  }
  writer.bytes(credential.signature);
}

export const nodeCredentialCodec: Codec<NodeCredential> = {
  name: 'node credential',
  parse: (bytes) => decode(bytes, parse),
  size,
  write,
};
