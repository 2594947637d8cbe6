/** Node credentials: signing, verification, and every fault. docs/reference/ntmobile.md §2.1. */
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes, encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import {
  authorityKeyIdOf,
  type CredentialContents,
  makeCredential,
  nodeIdOf,
  verifyCredential,
} from '#crypto/node-credential.ts';
import { keyPairOf, sha256, sign, signingKeyOf } from '#crypto/primitives.ts';
import { codecContract } from '#test/contract/codec-harness.ts';
import { type NodeCredential, nodeCredentialCodec } from '#wire/ntmobile/credential.ts';

const AUTHORITY = signingKeyOf(new Uint8Array(32).fill(1));
const OTHER_AUTHORITY = signingKeyOf(new Uint8Array(32).fill(2));
const NODE = keyPairOf(new Uint8Array(32).fill(3)).publicKey;
const OTHER_NODE = keyPairOf(new Uint8Array(32).fill(4)).publicKey;
const CONTENTS: CredentialContents = {
  ...{ publicKey: NODE, virtualIpv6: ipv6('fd12:3456:789a::1'), virtualIpv4: ipv4('198.18.0.1') },
  ...{
    notBefore: 1_800_000_000n,
    notAfter: 1_800_086_400n,
    name: 'a.nodes.example',
    groups: ['lab', 'größe'],
  },
};
const NOW = 1_800_000_100n;
const CREDENTIAL = makeCredential(AUTHORITY, CONTENTS);

const judge = (
  octets: Uint8Array,
  now = NOW,
  key = NODE,
  authorities = [OTHER_AUTHORITY.publicKey, AUTHORITY.publicKey],
) => verifyCredential(octets, authorities, key, now);

const octets = (count: number, first: number) =>
  Uint8Array.from({ length: count }, (_, index) => first + index);
const GOLDEN: NodeCredential = {
  ...{
    authorityKeyId: octets(8, 1),
    nodeId: octets(16, 16),
    publicKey: octets(32, 32),
    signature: octets(64, 128),
  },
  ...{
    virtualIpv6: ipv6('fd00::1'),
    virtualIpv4: ipv4('198.18.0.1'),
    notBefore: 1n,
    notAfter: 2n,
    name: 'a.b',
    groups: ['x'],
  },
};

codecContract<NodeCredential>(nodeCredentialCodec, [
  {
    name: 'with a group',
    hex: `01 00 00a7 ${hex(octets(8, 1))} ${hex(octets(16, 16))} ${hex(octets(32, 32))}
          fd000000000000000000000000000001 c6120001
      0000000000000001 0000000000000002 03 612e62 01 01 78 ${hex(octets(64, 128))}`,
    value: GOLDEN,
  },
  {
    name: 'without',
    hex: `01 00 00a5 ${hex(octets(8, 1))} ${hex(octets(16, 16))} ${hex(octets(32, 32))}
          fd000000000000000000000000000001 c6120001
      0000000000000001 0000000000000002 03 612e62 00 ${hex(octets(64, 128))}`,
    value: { ...GOLDEN, groups: [] },
  },
]);

describe('a credential', () => {
  it('verifies to the contents that its authority signed', () => {
    expect(judge(CREDENTIAL)).toMatchObject({
      ...CONTENTS,
      nodeId: nodeIdOf(NODE),
      authorityKeyId: authorityKeyIdOf(AUTHORITY.publicKey),
    });
  });

  it('verifies with the published format and node:crypto alone', () => {
    const body = CREDENTIAL.subarray(0, -64);
    const signed = Buffer.concat([Buffer.from('sojourn node credential v1\0'), body]);
    const x = Buffer.from(AUTHORITY.publicKey).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    expect(verify(null, signed, key, CREDENTIAL.subarray(-64))).toBe(true);
    expect(Buffer.from(body).readUInt16BE(2)).toBe(CREDENTIAL.length);
    expect(hex(body.subarray(12, 28))).toBe(hex(sha256(NODE).subarray(0, 16)));
  });

  it.each([
    ['before its time', judge(CREDENTIAL, 1_799_999_999n), 'not-yet-valid'],
    ['after its time', judge(CREDENTIAL, 1_800_086_401n), 'expired'],
    ['for another key', judge(CREDENTIAL, NOW, OTHER_NODE), 'of-another-key'],
    [
      'by an unknown authority',
      judge(CREDENTIAL, NOW, NODE, [OTHER_AUTHORITY.publicKey]),
      'unknown-authority',
    ],
    ['that says it is by another', judge(disguised()), 'wrong-signature'],
    ['that was cut', judge(CREDENTIAL.subarray(0, -1)), 'malformed'],
    [
      'with a node id that is not that of its key',
      judge(resigned((octets) => octets.set([0xff], 12))),
      'of-another-key',
    ],
  ])('fails verification %s', (_why, judged, fault) => {
    expect(judged).toBe(fault);
  });

  it('fails verification after any change', () => {
    for (let at = 0; at < CREDENTIAL.length; at += 1) {
      const changed = CREDENTIAL.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(typeof judge(changed), `octet ${at}`).toBe('string');
    }
  });
});

it('skips an authority whose key is no point of the curve', () => {
  const nonsense = new Uint8Array(32).fill(0xff);
  const octets = CREDENTIAL.slice();
  octets.set(authorityKeyIdOf(nonsense), 4);
  expect(judge(octets, NOW, NODE, [nonsense])).toBe('wrong-signature');
});

/** Signed by one authority, with the key id of the other. */
function disguised(): Uint8Array {
  const other = makeCredential(OTHER_AUTHORITY, CONTENTS).slice();
  other.set(authorityKeyIdOf(AUTHORITY.publicKey), 4);
  return other;
}

/** Changed before signing, as only the authority can. */
function resigned(change: (octets: Uint8Array) => void): Uint8Array {
  const octets = CREDENTIAL.slice();
  change(octets);
  const label = new TextEncoder().encode('sojourn node credential v1\0');
  octets.set(sign(AUTHORITY, concatBytes(label, octets.subarray(0, -64))), octets.length - 64);
  return octets;
}

describe('a group', () => {
  it.each(['\ufeff', '\ufeffstaff', 'größe', 'x'.repeat(63)])('keeps its octets: %j', (group) => {
    const octets = encode(nodeCredentialCodec, { ...GOLDEN, groups: [group] });
    expect(nodeCredentialCodec.parse(octets)).toMatchObject({ groups: [group] });
  });
});

describe('malformed credential', () => {
  const text = (name: string): NodeCredential => ({ ...GOLDEN, name });
  it.each([
    ['another version', (bytes: Uint8Array) => bytes.with(0, 2), 'unknown version'],
    ['flags', (bytes: Uint8Array) => bytes.with(1, 1), 'flags are not zero'],
    ['another length', (bytes: Uint8Array) => bytes.with(3, 0), 'length of another credential'],
    [
      'an end before the beginning',
      (bytes: Uint8Array) => bytes.with(87, 3),
      'ends before it begins',
    ],
    ['too many groups', (bytes: Uint8Array) => bytes.with(100, 17), 'too many groups'],
    ['an empty group', (bytes: Uint8Array) => bytes.with(101, 0), 'group of wrong length'],
    ['a group that is no text', (bytes: Uint8Array) => bytes.with(102, 0xff), 'group is no UTF-8'],
    ['a name with capitals', () => encode(nodeCredentialCodec, text('A.b')), 'no domain name'],
    [
      'a name with a dot behind it',
      () => encode(nodeCredentialCodec, text('a.')),
      'no domain name',
    ],
    [
      'a label of 64',
      () => encode(nodeCredentialCodec, text(`${'a'.repeat(64)}.b`)),
      'no domain name',
    ],
    [
      'a name of 255',
      () => encode(nodeCredentialCodec, text(`${'a.'.repeat(127)}b`)),
      'no domain name',
    ],
    ['no name', () => encode(nodeCredentialCodec, text('')), 'no domain name'],
    ['a name that is no UTF-8', (bytes: Uint8Array) => bytes.with(97, 0xff), 'name is no UTF-8'],
    [
      'a group of 64',
      () => encode(nodeCredentialCodec, { ...GOLDEN, groups: ['x'.repeat(64)] }),
      'group of wrong length',
    ],
    [
      'octets between groups and signature',
      (bytes: Uint8Array) => bytes.with(100, 0),
      'signature of wrong length',
    ],
    [
      'a length beyond its end',
      (bytes: Uint8Array) => bytes.subarray(0, -1),
      'length of another credential',
    ],
  ])('%s', (_what, change, reason) => {
    const parsed = nodeCredentialCodec.parse(change(encode(nodeCredentialCodec, GOLDEN)));
    expect(isMalformed(parsed) ? parsed.reason : parsed).toBe(reason);
  });

  it('parses any octets or rejects them', () => {
    expect(isMalformed(nodeCredentialCodec.parse(fromHex('00')))).toBe(true);
  });
});
