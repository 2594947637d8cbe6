/**
 * Generates `test/vectors/ntmobile.json` of docs/reference/ntmobile.md §3, §4 and §6: `node
 * test/vectors/generate.ts`. All random values are fixed, so that the file is reproducible;
 * `ntmobile-vectors.test.ts` fails when it is not up to date.
 */
import { writeFileSync } from 'node:fs';
import { encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { cookieOf, cookieReply, initiate, receiveInitiation } from '#crypto/handshake.ts';
import { keyPairOf, sha256 } from '#crypto/primitives.ts';
import { Sealer } from '#crypto/sealed.ts';
import { HandshakeUse, ntmobileDatagramCodec, suiteBit } from '#wire/ntmobile/datagram.ts';
import {
  type NtmobileMessage,
  ntmobileMessageCodec,
  ntmobileMessageSummary,
} from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

const FILE = new URL('ntmobile.json', import.meta.url);

/** Thirty-two octets derived from a word. */
function octetsOf(word: string): Uint8Array {
  return sha256(new TextEncoder().encode(`vector ${word}`));
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the vector cannot be generated');
  return value;
}

const PRIVATE = {
  initiator: octetsOf('initiator'),
  responder: octetsOf('responder'),
  initiatorEphemeral: octetsOf('initiator ephemeral'),
  responderEphemeral: octetsOf('responder ephemeral'),
};
/** Arbitrary octets in the form of a credential: credentials have vectors of their own. */
const CREDENTIAL = fromHex('01000010 0102030405060708 090a0b0c');

function handshake(suites: number, suite: number, cookie: Uint8Array | undefined) {
  const initiator = keyPairOf(PRIVATE.initiator);
  const responder = keyPairOf(PRIVATE.responder);
  const options: readonly NtmobileOption[] = [{ type: 'lifetime', seconds: 600 }];
  const fields = {
    ...{ spi: 0x0123456, use: HandshakeUse.node, suites, cookie },
    pathId: fromHex('a1a2a3a4a5a6a7a8'),
    payload: { timestamp: 1_800_000_000_000_000n, credential: CREDENTIAL, options },
  };
  const pending = present(
    initiate(initiator, keyPairOf(PRIVATE.initiatorEphemeral), responder.publicKey, fields),
  );
  const initiation = ntmobileDatagramCodec.parse(pending.datagram);
  if (isMalformed(initiation) || initiation.type !== 'initiation') throw new Error('no initiation');
  const received = present(receiveInitiation(responder, initiation));
  const observed: NtmobileOption = {
    type: 'observed-endpoint',
    endpoint: { address: ipv4('203.0.113.7'), port: 40_000 },
  };
  const answer = present(
    received.answer(keyPairOf(PRIVATE.responderEphemeral), {
      spi: 0xabcdef0,
      suite,
      options: [observed],
    }),
  );
  const reply = cookieReply(
    responder.publicKey,
    initiation,
    fromHex('0102030405060708090a0b0c'),
    COOKIE,
  );
  return {
    suites,
    suite,
    cookie: cookie === undefined ? null : hex(cookie),
    initiation: hex(pending.datagram),
    response: hex(answer.datagram),
    cookieReply: hex(reply),
    responderSend: { data: hex(answer.keys.send.data), control: hex(answer.keys.send.control) },
    responderReceive: {
      data: hex(answer.keys.receive.data),
      control: hex(answer.keys.receive.control),
    },
  };
}

const COOKIE_SECRET = octetsOf('cookie secret');
const COOKIE_SOURCE = fromHex('cb007107 9c40');
const COOKIE = cookieOf(COOKIE_SECRET, COOKIE_SOURCE);
const BOTH = suiteBit(1) | suiteBit(2);
const HANDSHAKES = [handshake(BOTH, 1, undefined), handshake(suiteBit(2), 2, COOKIE)] as const;

const inner6 = fromHex(
  '60000000 0008 3b 40 fd000000000000000000000000000001 fd000000000000000000000000000002' +
    '0001020304050607',
);

function sealed(
  aead: 'aes-128-gcm' | 'chacha20-poly1305',
  type: 'data' | 'control',
  plaintexts: readonly Uint8Array[],
) {
  const key = octetsOf(`${aead} ${type}`).slice(0, aead === 'aes-128-gcm' ? 16 : 32);
  const sealing = new Sealer(aead, key, 0xabcdef0);
  return {
    aead,
    type,
    key: hex(key),
    datagrams: plaintexts.map((one) => ({
      plaintext: hex(one),
      datagram: hex(sealing.seal(type, one)),
    })),
  };
}

const ENDPOINT4 = { address: ipv4('198.51.100.9'), port: 7890 };
const ENDPOINT6 = { address: ipv6('2001:db8::9'), port: 7890 };
const PATH: NtmobileOption = { type: 'path-id', pathId: fromHex('a1a2a3a4a5a6a7a8') };
const CHALLENGE: NtmobileOption = { type: 'challenge', challenge: fromHex('c1c2c3c4c5c6c7c8') };
const OBSERVED: NtmobileOption = { type: 'observed-endpoint', endpoint: ENDPOINT4 };
const NODE_ID = fromHex('d0d1d2d3d4d5d6d7d8d9dadbdcdddedf');

function message(
  type: NtmobileMessage['type'],
  answer: boolean,
  options: readonly NtmobileOption[],
  status = 0,
): NtmobileMessage {
  return { type, answer, status, transaction: 0x01020304, options };
}

/** One message of each type, with each option at least once. */
export const MESSAGES: readonly NtmobileMessage[] = [
  message('registration-request', false, [
    { type: 'lifetime', seconds: 600 },
    { type: 'candidate', kind: 1, priority: 100, endpoint: ENDPOINT4 },
    { type: 'candidate', kind: 2, priority: 50, endpoint: ENDPOINT6 },
    { type: 'mapping', mapping: 3 },
    { type: 'round-trip', nodeId: NODE_ID, microseconds: 12_345 },
    { type: 'load', thousandths: 250 },
  ]),
  message('registration-response', true, [
    { type: 'lifetime', seconds: 300 },
    OBSERVED,
    { type: 'endpoint', endpoint: ENDPOINT6 },
    { type: 'relay', publicKey: octetsOf('relay'), endpoints: [ENDPOINT4, ENDPOINT6] },
    { type: 'zone', name: 'nodes.example' },
    { type: 'token-key', key: octetsOf('token key') },
  ]),
  message('address-request', false, []),
  message('address-response', true, [OBSERVED]),
  message('direction-request', false, [PATH, { type: 'name', name: 'gn6.example' }]),
  message('route-direction', true, [
    PATH,
    { type: 'role', role: 3 },
    { type: 'relay-token', token: fromHex('0011223344') },
    { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a:1::1') },
    { type: 'virtual-ipv4', address: ipv4('198.19.0.7') },
    { type: 'time-to-live', seconds: 60 },
  ]),
  message('route-direction', false, [
    PATH,
    { type: 'role', role: 2 },
    { type: 'credential', credential: CREDENTIAL },
  ]),
  message('route-direction-confirmation', true, [PATH]),
  message('relay-direction', false, [
    PATH,
    { type: 'role', role: 1 },
    { type: 'node-id', nodeId: NODE_ID },
  ]),
  message('relay-direction-response', true, [PATH, { type: 'families', families: 3 }]),
  message('relay-attach-request', false, [{ type: 'relay-token', token: fromHex('0011223344') }]),
  message('relay-attach-request', false, [
    { type: 'relay-token', token: fromHex('0011223344') },
    { type: 'first-datagram', datagram: fromHex(HANDSHAKES[0].initiation) },
  ]),
  message('relay-attach-response', true, [PATH, { type: 'relay-index', index: 77 }, OBSERVED]),
  message('relay-attach-response', true, [
    PATH,
    { type: 'relay-index', index: 77 },
    OBSERVED,
    { type: 'first-datagram', datagram: new Uint8Array(0) },
  ]),
  message('path-challenge', false, [CHALLENGE]),
  message('path-response', true, [CHALLENGE, OBSERVED]),
  message('hole-punching', false, [PATH]),
  message('keep-alive', false, []),
  message('release', false, [PATH]),
  message('error', true, [{ type: 'reason', reason: 'unknown option 99' }], 2),
  message('keep-alive', false, [{ type: 'padding', data: new Uint8Array(80) }]),
  message('keep-alive', true, [{ type: 'unknown', optionType: 200, data: fromHex('ff') }]),
  // Of ML-KEM by their lengths alone: real keys have vectors of their own.
  message('encapsulation-request', false, [
    { type: 'encapsulation-key', spi: 0x0123457, key: new Uint8Array(1184).fill(0x5a) },
    { type: 'post-quantum', flags: 0x81 },
  ]),
  message('encapsulation-response', true, [
    {
      ...{ type: 'encapsulation', spi: 0xabcdef1, ciphertext: new Uint8Array(1088).fill(0xa5) },
      confirmation: NODE_ID,
    },
  ]),
];

/** The content of the file. */
export function vectors() {
  return {
    privateKeys: Object.fromEntries(Object.entries(PRIVATE).map(([name, key]) => [name, hex(key)])),
    cookie: { secret: hex(COOKIE_SECRET), source: hex(COOKIE_SOURCE), cookie: hex(COOKIE) },
    handshakes: HANDSHAKES,
    sealed: [
      sealed('aes-128-gcm', 'data', [inner6, inner6.slice(0, 40)]),
      sealed('chacha20-poly1305', 'data', [inner6]),
      sealed(
        'chacha20-poly1305',
        'control',
        MESSAGES.slice(0, 3).map((one) => encode(ntmobileMessageCodec, one)),
      ),
    ],
    messages: MESSAGES.map((one) => ({
      says: ntmobileMessageSummary(one),
      octets: hex(encode(ntmobileMessageCodec, one)),
    })),
  };
}

if (import.meta.main) writeFileSync(FILE, `${JSON.stringify(vectors(), null, 2)}\n`);
