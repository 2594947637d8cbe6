/**
 * Generates `test/vectors/sealed-mobile-ipv6.json` of docs/reference/sealed-mobile-ipv6.md §2 and
 * §3: `node test/vectors/sealed-mobile-ipv6.ts`. All random values are fixed.
 */
import { writeFileSync } from 'node:fs';
import { encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { initiate, receiveInitiation } from '#crypto/handshake.ts';
import { ML_KEM } from '#crypto/ml-kem.ts';
import { postQuantumKeys } from '#crypto/post-quantum-keys.ts';
import { keyPairOf, sha256 } from '#crypto/primitives.ts';
import { Sealer } from '#crypto/sealed.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { type Extension, homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import {
  type MobilityMessage,
  NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
  NO_BINDING_UPDATE_FLAGS,
} from '#wire/mobility/message.ts';
import { HandshakeUse, ntmobileDatagramCodec, suiteBit } from '#wire/ntmobile/datagram.ts';
import { ntmobileMessageCodec } from '#wire/ntmobile/message.ts';

const FILE = new URL('sealed-mobile-ipv6.json', import.meta.url);
const HOME = ipv6('2001:db8:1:100::10');
const CARE_OF = ipv6('2001:db8:2::5');
const AGENT = ipv6('2001:db8:1::1');

const octetsOf = (word: string): Uint8Array =>
  sha256(new TextEncoder().encode(`sealed vector ${word}`));
const PRIVATE = {
  initiator: octetsOf('node'),
  responder: octetsOf('home agent'),
  initiatorEphemeral: octetsOf('node ephemeral'),
  responderEphemeral: octetsOf('home agent ephemeral'),
};

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the vector cannot be generated');
  return value;
}

function packet(
  source: Ipv6Address,
  destination: Ipv6Address,
  message: MobilityMessage,
  extensions: readonly Extension[],
): Uint8Array {
  const [from, to] = source === AGENT ? [AGENT, HOME] : [HOME, AGENT];
  return encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64, source, destination, extensions },
    protocol: PROTOCOL_MOBILITY,
    payload: encodeMobility(message, from, to),
  });
}

const update = (sequence: number): Uint8Array =>
  packet(
    CARE_OF,
    AGENT,
    {
      type: 'binding-update',
      sequence,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true },
      lifetimeUnits: 150,
      options: [{ type: 'alternate-care-of-address', address: CARE_OF }],
    },
    [homeAddressExtension(HOME)],
  );

const acknowledgement = (sequence: number): Uint8Array =>
  packet(
    AGENT,
    CARE_OF,
    {
      type: 'binding-acknowledgement',
      status: 0,
      flags: NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
      sequence,
      lifetimeUnits: 150,
      options: [],
    },
    [{ type: 'type-2-routing', homeAddress: HOME }],
  );

/** Each end has ML-KEM-768 and does not require it. */
const POST_QUANTUM = { type: 'post-quantum', flags: 1 } as const;

/** The messages of ML-KEM after the handshake, sealed as the third and the first datagram. */
function exchange({ keys, secrets }: NonNullable<Answer>, mine: Sealer) {
  const seed = Uint8Array.of(...octetsOf('ML-KEM d'), ...octetsOf('ML-KEM z'));
  // OpenSSL would draw its own seed of the ciphertext.
  const { encapsulationKey } = ML_KEM.library.decapsulationKey(seed);
  const made = present(ML_KEM.library.encapsulate(encapsulationKey, octetsOf('ML-KEM m')));
  const { ciphertext } = made;
  const [initiatorSpi, responderSpi] = [0x0123457, 0xabcdef1];
  const transcript = { initiatorSpi, encapsulationKey, responderSpi, ciphertext };
  const end = { suite: 1, initiator: false };
  const next = postQuantumKeys(secrets, made.secret, transcript, end);
  const both = { transaction: 0x01020304, status: 0 };
  const request = encode(ntmobileMessageCodec, {
    ...{ ...both, type: 'encapsulation-request', answer: false },
    options: [{ type: 'encapsulation-key', spi: initiatorSpi, key: encapsulationKey }],
  });
  const { confirmation } = next;
  const response = encode(ntmobileMessageCodec, {
    ...{ ...both, type: 'encapsulation-response', answer: true },
    options: [{ type: 'encapsulation', spi: responderSpi, ciphertext, confirmation }],
  });
  const theirs = new Sealer('chacha20-poly1305', keys.send.control, 0x0123456);
  return {
    ...{ seed: hex(seed), encapsulationSeed: hex(octetsOf('ML-KEM m')) },
    request: { plaintext: hex(request), datagram: hex(mine.seal('control', request)) },
    response: { plaintext: hex(response), datagram: hex(theirs.seal('control', response)) },
    send: { data: hex(next.keys.send.data), control: hex(next.keys.send.control) },
    receive: { data: hex(next.keys.receive.data), control: hex(next.keys.receive.control) },
  };
}

type Answer = ReturnType<NonNullable<ReturnType<typeof receiveInitiation>>['answer']>;

/** The content of the file. */
export function sealedVectors() {
  const responder = keyPairOf(PRIVATE.responder);
  const pending = present(
    initiate(
      keyPairOf(PRIVATE.initiator),
      keyPairOf(PRIVATE.initiatorEphemeral),
      responder.publicKey,
      {
        ...{ spi: 0x0123456, use: HandshakeUse.homeAgent, suites: suiteBit(1) | suiteBit(2) },
        ...{ cookie: undefined, pathId: fromHex('0000000000000000') },
        payload: {
          timestamp: 1_800_000_000_000_000n,
          credential: undefined,
          options: [
            { type: 'home-address', address: HOME },
            POST_QUANTUM,
            { type: 'mobility-packet', packet: update(7) },
          ],
        },
      },
    ),
  );
  const initiation = ntmobileDatagramCodec.parse(pending.datagram);
  if (isMalformed(initiation) || initiation.type !== 'initiation') throw new Error('no initiation');
  const answer = present(
    present(receiveInitiation(responder, initiation)).answer(
      keyPairOf(PRIVATE.responderEphemeral),
      {
        ...{ spi: 0xabcdef0, suite: 1 },
        options: [POST_QUANTUM, { type: 'mobility-packet', packet: acknowledgement(7) }],
      },
    ),
  );
  const { control } = answer.keys.receive;
  const sealer = new Sealer('chacha20-poly1305', control, 0xabcdef0);
  return {
    privateKeys: Object.fromEntries(Object.entries(PRIVATE).map(([name, key]) => [name, hex(key)])),
    homeAddress: HOME,
    update: hex(update(7)),
    acknowledgement: hex(acknowledgement(7)),
    initiation: hex(pending.datagram),
    response: hex(answer.datagram),
    send: { data: hex(answer.keys.send.data), control: hex(answer.keys.send.control) },
    receive: { data: hex(answer.keys.receive.data), control: hex(control) },
    mobility: [8, 9].map((sequence) => ({
      plaintext: hex(update(sequence)),
      datagram: hex(sealer.seal('mobility', update(sequence))),
    })),
    postQuantum: exchange(answer, sealer),
  };
}

if (import.meta.main) writeFileSync(FILE, `${JSON.stringify(sealedVectors(), null, 2)}\n`);
