/**
 * A population of mobile nodes that seal, as the home agent sees them: handshakes and sealed
 * Binding Updates (docs/reference/sealed-mobile-ipv6.md). A node's keys are in arrays that have
 * their size from the beginning, so that memory measured around the home agent is the home agent's
 * alone.
 */
import { assert } from '#base/assert.ts';
import { concatBytes, encode, isMalformed } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import { initiate, type PendingInitiation } from '#crypto/handshake.ts';
import { decapsulationKey, KEY_SEED_OCTETS } from '#crypto/ml-kem.ts';
import { aeadSeal, type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import {
  buildBindingUpdate,
  HOME_AGENT_UDP_PORT,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { NO_ROLE_OPTIONS } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { postQuantumOptions } from '#engine/sealed/post-quantum-agreement.ts';
import { randomBytes } from '#host/process/random.ts';
import {
  DATAGRAM_TYPES,
  frameWord,
  HandshakeUse,
  ntmobileDatagramCodec,
  type SealedType,
  Suite,
  suiteBit,
} from '#wire/ntmobile/datagram.ts';
import { ntmobileMessageCodec } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import {
  CLOCK_OFFSET_MS,
  careOfAddressOf,
  configurationFor,
  HOME_AGENT,
  HOME_AGENT_V4,
  homeAddressOf,
  ipv4HomeAddressOf,
  isBehindNat,
  LIFETIME_UNITS,
  translated,
} from '../registrations.ts';

const KEY_OCTETS = 32;
const NO_PATH = new Uint8Array(8);
const SUITES = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
/** One for all nodes: what the home agent does with it is the same. */
const ENCAPSULATION_KEY = decapsulationKey(randomBytes(KEY_SEED_OCTETS)).encapsulationKey;
const KEEP_ALIVE = encode(ntmobileMessageCodec, {
  ...{ type: 'keep-alive', answer: false, status: 0, transaction: 1, options: [] },
});

/** A Tunnel Request with a Binding Update, or for new keys alone, ML-KEM following or not. */
export type HandshakePurpose = 'register' | 'rekey' | 'post-quantum';

function privateOctetsOf(node: number): Uint8Array {
  const octets = new Uint8Array(KEY_OCTETS);
  new DataView(octets.buffer).setUint32(8, node + 1);
  return octets;
}

export class SealedPopulation {
  readonly #nodes: number;
  readonly #homeAgentKey: Uint8Array;
  readonly #controlKeys: Uint8Array;
  readonly #spis: Uint32Array;
  readonly #counters: Uint32Array;
  readonly #sequences: Uint16Array;
  readonly #pending = new Map<number, PendingInitiation>();

  constructor(nodes: number, homeAgentKey: Uint8Array) {
    this.#nodes = nodes;
    this.#homeAgentKey = homeAgentKey;
    this.#controlKeys = new Uint8Array(nodes * KEY_OCTETS);
    this.#spis = new Uint32Array(nodes);
    this.#counters = new Uint32Array(nodes);
    this.#sequences = new Uint16Array(nodes);
  }

  configuration(): HomeAgentConfiguration {
    const plain = configurationFor(this.#nodes);
    return {
      ...plain,
      handshakesPerSecond: 1e9,
      mobileNodes: plain.mobileNodes.map((one, node) => ({
        ...one,
        identifier: undefined,
        registrationKeys: [],
        publicKey: keyPairOf(privateOctetsOf(node)).publicKey,
      })),
    };
  }

  tunnelRequest(node: number, now: Monotonic, careOfIndex: number, purpose: HandshakePurpose) {
    const own: KeyPair = keyPairOf(privateOctetsOf(node));
    const options: NtmobileOption[] = [{ type: 'home-address', address: homeAddressOf(node) }];
    if (purpose === 'post-quantum') options.push(...postQuantumOptions('required'));
    if (purpose === 'register')
      options.push({ type: 'mobility-packet', packet: this.#update(node, careOfIndex) });
    const pending = initiate(own, keyPairOf(randomBytes(KEY_OCTETS)), this.#homeAgentKey, {
      ...{ spi: node + 1, use: HandshakeUse.homeAgent, suites: SUITES, pathId: NO_PATH },
      payload: {
        timestamp: BigInt(Math.floor((now + CLOCK_OFFSET_MS) * 1000)),
        ...{ credential: undefined, options },
      },
      cookie: undefined,
    });
    assert(pending !== undefined, 'a Tunnel Request');
    this.#pending.set(node, pending);
    return inputOf(node, careOfIndex, pending.datagram);
  }

  /** Takes the Tunnel Response; returns the Keep Alive that has the new keys used. */
  finish(node: number, careOfIndex: number, response: Uint8Array): HomeAgentInput {
    const datagram = ntmobileDatagramCodec.parse(response);
    assert(!isMalformed(datagram) && datagram.type === 'response', 'a Tunnel Response');
    const finished = this.#pending.get(node)?.finish(datagram);
    assert(finished !== undefined, 'a Tunnel Response to this node');
    this.#pending.delete(node);
    this.#controlKeys.set(finished.keys.send.control, node * KEY_OCTETS);
    this.#spis[node] = finished.payload.spi;
    this.#counters[node] = 0;
    return inputOf(node, careOfIndex, this.#seal(node, 'control', KEEP_ALIVE));
  }

  /** The node's key of ML-KEM, to be answered with the ciphertext. */
  encapsulationRequest(node: number, careOfIndex: number): HomeAgentInput {
    const spi = this.#nodes + node + 1;
    const message = encode(ntmobileMessageCodec, {
      ...{ type: 'encapsulation-request', answer: false, status: 0, transaction: 2 },
      options: [{ type: 'encapsulation-key', spi, key: ENCAPSULATION_KEY }],
    });
    return inputOf(node, careOfIndex, this.#seal(node, 'control', message));
  }

  sealedUpdate(node: number, careOfIndex: number): HomeAgentInput {
    return inputOf(
      node,
      careOfIndex,
      this.#seal(node, 'mobility', this.#update(node, careOfIndex)),
    );
  }

  #update(node: number, careOfIndex: number): Uint8Array {
    const sequence = (this.#sequences[node] ?? 0) + 1;
    this.#sequences[node] = sequence;
    const outerAddress = isBehindNat(node) ? HOME_AGENT_V4 : HOME_AGENT;
    const { packet } = buildBindingUpdate({
      ...{ homeAddress: homeAddressOf(node), careOfAddress: careOfAddressOf(node, careOfIndex) },
      ...{ target: { address: HOME_AGENT, outerAddress }, sequence, lifetimeUnits: LIFETIME_UNITS },
      ...{ linkLocalCompatibility: false, forceUdp: false, identifier: undefined },
      ...{ ipv4HomeAddress: ipv4HomeAddressOf(node), timestamp: undefined },
      ...{ registrationKey: undefined, sealed: true, udpPort: HOME_AGENT_UDP_PORT },
      roleOptions: NO_ROLE_OPTIONS,
    });
    return packet;
  }

  #seal(node: number, type: SealedType, plaintext: Uint8Array): Uint8Array {
    const counter = (this.#counters[node] ?? 0) + 1;
    this.#counters[node] = counter;
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint32(0, frameWord(DATAGRAM_TYPES[type], this.#spis[node] ?? 0));
    view.setUint32(4, counter);
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(8, counter);
    const key = this.#controlKeys.subarray(node * KEY_OCTETS, (node + 1) * KEY_OCTETS);
    return concatBytes(header, aeadSeal('chacha20-poly1305', key, nonce, header, plaintext));
  }
}

function inputOf(node: number, careOfIndex: number, packet: Uint8Array): HomeAgentInput {
  const natted = isBehindNat(node);
  const far = natted
    ? translated(node, careOfIndex)
    : { remote: careOfAddressOf(node, careOfIndex), remotePort: HOME_AGENT_UDP_PORT };
  const near = {
    local: natted ? HOME_AGENT_V4 : HOME_AGENT,
    ...{ localPort: HOME_AGENT_UDP_PORT, relayIndex: 0 },
  };
  return { kind: 'datagram', path: { kind: 'datagram', ...near, ...far }, packet };
}
