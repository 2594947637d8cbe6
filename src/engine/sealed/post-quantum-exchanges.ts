/**
 * The exchange that makes post-quantum keys of those of a handshake: the initiator sends a key of
 * ML-KEM-768 as a sealed control message, the responder answers with the ciphertext.
 *
 * FIPS 203  ML-KEM
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3.1
 *
 * Only the holder of the keys of a handshake causes ML-KEM work, and one operation for each
 * handshake: retransmissions get the same answer.
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import {
  type DecapsulationKey,
  decapsulationKey,
  ENCAPSULATION_SEED_OCTETS,
  encapsulate,
  KEY_SEED_OCTETS,
} from '#crypto/ml-kem.ts';
import { postQuantumKeys } from '#crypto/post-quantum-keys.ts';
import { equalSecrets } from '#crypto/primitives.ts';
import type { HandshakeSecrets } from '#crypto/session-keys.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption } from '#wire/ntmobile/options.ts';
import { type ControlMessages, sendMessage } from './control-messages.ts';
import type { KeyGeneration, Session } from './session.ts';
import type { PostQuantumFailure, SessionCounter } from './session-listener.ts';
import type { SessionTable } from './session-table.ts';

const RETRANSMISSION_MS = 250;
const LONGEST_RETRANSMISSION_MS = 30_000;
/** Transmissions without an answer after which the operator is told. */
const SILENT_AFTER = 6;
/** The responder needs a datagram under the new keys before it seals data with them. */
const CONFIRMATION_MS = 30_000;
/** A peer whose answer is wrong is asked again after new keys. */
const RETRY_MS = 60_000;
/** Classical keys still open datagrams in flight after the initiator used the next ones. */
const IN_FLIGHT_MS = 10_000;

/** The initiator's side of an exchange. */
interface Asked extends Timed {
  readonly session: Session;
  /** The keys that seal its messages; it ends with them. */
  readonly generation: KeyGeneration;
  /** Undefined: the key pair is not made yet. */
  key: DecapsulationKey | undefined;
  request: NtmobileMessage | undefined;
  secrets: HandshakeSecrets | undefined;
  spi: number;
  phase: 'asking' | 'confirming' | 'failed';
  transmissions: number;
  waitMs: number;
}

/** The responder's side: the answer is kept until the initiator uses its keys. */
interface Answered {
  readonly generation: KeyGeneration;
  readonly transaction: number;
  readonly answer: NtmobileMessage;
}

interface ExchangeOwner<P> {
  readonly table: SessionTable;
  readonly messages: ControlMessages<P>;
  readonly counters: CounterSet<SessionCounter>;
  readonly random: RandomBytes;
  freshSpi(): number;
  /** The initiator has the keys, and the responder has proved that it has them. */
  adopt(step: Step, session: Session, generation: KeyGeneration): void;
  /** The responder has offered keys. */
  offered(step: Step, session: Session): void;
  rekey(step: Step, session: Session): void;
  failed(step: Step, session: Session, why: PostQuantumFailure): void;
}

interface Arrival {
  readonly session: Session;
  /** The keys that opened it. */
  readonly generation: KeyGeneration;
  readonly message: NtmobileMessage;
  readonly udpPath: UdpPath;
}

export class PostQuantumExchanges<P> {
  readonly #owner: ExchangeOwner<P>;
  readonly #asked = new Map<Session, Asked>();
  readonly #answered = new Map<Session, Answered>();
  readonly #timers = new TimerHeap<Asked>();

  constructor(owner: ExchangeOwner<P>) {
    this.#owner = owner;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /**
   * The session has other keys. The initiator begins an exchange in a step of its own, so that the
   * registration does not wait for the key pair.
   */
  adopted(step: Step, session: Session, generation: KeyGeneration): void {
    const base = this.#answered.get(session)?.generation;
    this.forget(session);
    if (generation.postQuantum) {
      this.#owner.counters.count('post-quantum-established');
      if (!generation.initiator && base !== undefined)
        base.retiresAt = after(step.now, IN_FLIGHT_MS);
      return;
    }
    const secrets = generation.initiator ? generation.takeSecrets() : undefined;
    if (secrets === undefined) return;
    const asked: Asked = {
      ...{ session, generation, secrets, key: undefined, request: undefined, spi: 0 },
      ...{ phase: 'asking', transmissions: 0, waitMs: RETRANSMISSION_MS },
      ...{ heapIndex: -1, dueAt: NEVER },
    };
    this.#asked.set(session, asked);
    this.#timers.set(asked, step.now);
  }

  forget(session: Session): void {
    this.#answered.delete(session);
    const asked = this.#asked.get(session);
    if (asked === undefined) return;
    this.#timers.remove(asked);
    this.#asked.delete(session);
  }

  /** An authentic datagram arrived: the peer is reachable, and has these keys. */
  heard(now: Monotonic, session: Session, generation: KeyGeneration): void {
    const asked = this.#asked.get(session);
    if (asked === undefined || asked.generation !== generation) return;
    if (asked.phase === 'confirming') this.forget(session);
    else if (asked.phase === 'asking' && asked.waitMs > 4 * RETRANSMISSION_MS) {
      asked.waitMs = RETRANSMISSION_MS;
      this.#timers.set(asked, now);
    }
  }

  tick(step: Step): void {
    for (
      let asked = this.#timers.takeDue(step.now);
      asked !== undefined;
      asked = this.#timers.takeDue(step.now)
    ) {
      if (asked.session.current !== asked.generation) this.forget(asked.session);
      else if (asked.phase === 'asking') this.#ask(step, asked);
      else if (asked.phase === 'confirming') this.#confirm(step, asked);
      else this.#retry(step, asked);
    }
  }

  /** A message of the exchange, which the keys of `generation` opened. */
  receive(step: Step, arrival: Arrival): void {
    const { session, generation, message } = arrival;
    if (session.current !== generation) this.#owner.counters.count('encapsulation-unexpected');
    else if (message.answer) this.#receiveAnswer(step, arrival);
    else this.#receiveRequest(step, arrival);
  }

  // --- initiator ---

  #ask(step: Step, asked: Asked): void {
    const { messages, random } = this.#owner;
    const { session } = asked;
    if (asked.request === undefined) {
      asked.key = decapsulationKey(random(KEY_SEED_OCTETS));
      asked.spi = this.#owner.freshSpi();
      const key = asked.key.encapsulationKey;
      asked.request = messages.compose('encapsulation-request', [
        { type: 'encapsulation-key', spi: asked.spi, key },
      ]);
    }
    sendMessage(step, session, asked.request, session.udpPath);
    asked.transmissions += 1;
    if (asked.transmissions === SILENT_AFTER) this.#owner.failed(step, session, 'unanswered');
    this.#timers.set(asked, after(step.now, asked.waitMs));
    asked.waitMs = Math.min(2 * asked.waitMs, LONGEST_RETRANSMISSION_MS);
  }

  #receiveAnswer(step: Step, { session, generation, message }: Arrival): void {
    const asked = this.#asked.get(session);
    const { counters } = this.#owner;
    if (
      asked?.phase !== 'asking' ||
      asked.generation !== generation ||
      asked.request?.transaction !== message.transaction
    ) {
      counters.count('encapsulation-unexpected');
      return;
    }
    const answer = findNtmobileOption(message.options, 'encapsulation');
    if (message.status !== NtmobileStatus.granted || answer === undefined) {
      counters.count('encapsulation-refused');
      this.#fail(step, asked, 'refused');
      return;
    }
    const { key, secrets, spi: initiatorSpi } = asked;
    if (key === undefined || secrets === undefined) return;
    const { spi: responderSpi, ciphertext, confirmation } = answer;
    const { encapsulationKey } = key;
    const transcript = { initiatorSpi, encapsulationKey, responderSpi, ciphertext };
    const made = postQuantumKeys(secrets, key.decapsulate(ciphertext), transcript, generation);
    if (!equalSecrets(made.confirmation, confirmation)) {
      counters.count('encapsulation-unconfirmed');
      this.#fail(step, asked, 'unconfirmed');
      return;
    }
    const { keys } = made;
    const spis = { receiveSpi: initiatorSpi, sendSpi: responderSpi };
    this.#adopt(step, asked, generation.upgraded({ ...spis, keys }));
  }

  #adopt(step: Step, { session }: Asked, generation: KeyGeneration): void {
    this.#owner.adopt(step, session, generation);
    const confirming: Asked = {
      ...{ session, generation, secrets: undefined, key: undefined, request: undefined, spi: 0 },
      ...{ phase: 'confirming', transmissions: 0, waitMs: RETRANSMISSION_MS },
      ...{ heapIndex: -1, dueAt: NEVER },
    };
    this.#asked.set(session, confirming);
    this.#confirm(step, confirming);
  }

  #confirm(step: Step, asked: Asked): void {
    const request = { type: 'keep-alive', options: [] } as const;
    this.#owner.messages.request(step, asked.session, request, undefined);
    this.#timers.set(asked, after(step.now, CONFIRMATION_MS));
  }

  /** The keys of the handshake stay in use; another handshake tries again. */
  #fail(step: Step, asked: Asked, why: PostQuantumFailure): void {
    asked.phase = 'failed';
    asked.key = undefined;
    asked.secrets = undefined;
    this.#timers.set(asked, after(step.now, RETRY_MS));
    this.#owner.failed(step, asked.session, why);
  }

  #retry(step: Step, asked: Asked): void {
    this.#timers.set(asked, after(step.now, RETRY_MS));
    this.#owner.rekey(step, asked.session);
  }

  // --- responder ---

  #receiveRequest(step: Step, { session, generation, message, udpPath }: Arrival): void {
    const answered = this.#answered.get(session);
    if (answered?.generation === generation && answered.transaction === message.transaction) {
      sendMessage(step, session, answered.answer, udpPath);
      return;
    }
    const offered = findNtmobileOption(message.options, 'encapsulation-key');
    const secrets = generation.initiator ? undefined : generation.takeSecrets();
    if (offered === undefined || secrets === undefined) {
      this.#owner.counters.count('encapsulation-unexpected');
      return;
    }
    const { spi: initiatorSpi, key: encapsulationKey } = offered;
    const made = encapsulate(encapsulationKey, this.#owner.random(ENCAPSULATION_SEED_OCTETS));
    const { transaction } = message;
    const answer = { type: 'encapsulation-response', answer: true, transaction } as const;
    const reply = (status: number, options: NtmobileMessage['options']): void => {
      const kept = { generation, transaction, answer: { ...answer, status, options } };
      this.#answered.set(session, kept);
      sendMessage(step, session, kept.answer, udpPath);
    };
    if (made === undefined) {
      this.#owner.counters.count('encapsulation-key-invalid');
      reply(NtmobileStatus.malformed, []);
      return;
    }
    const { ciphertext, secret } = made;
    const spi = this.#owner.freshSpi();
    const transcript = { initiatorSpi, encapsulationKey, responderSpi: spi, ciphertext };
    const { keys, confirmation } = postQuantumKeys(secrets, secret, transcript, generation);
    const next = generation.upgraded({ receiveSpi: spi, sendSpi: initiatorSpi, keys });
    this.#owner.table.offer(step, session, next);
    // Data may arrive under the new keys right after the answer.
    this.#owner.offered(step, session);
    reply(NtmobileStatus.granted, [{ type: 'encapsulation', spi, ciphertext, confirmation }]);
  }
}
