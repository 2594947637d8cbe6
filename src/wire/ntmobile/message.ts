/**
 * NTMobile control messages: the plaintext of sealed control datagrams.
 *
 * docs/reference/ntmobile.md §6, docs/reference/sealed-mobile-ipv6.md §3.1; the framing around them
 * is that of RFC 6618 §6.3
 *
 *    0                   1                   2                   3
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |    message    |0|0|0|0|0|0|0|A|    status     |   reserved    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                          transaction                          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  options ...
 */
import { type Codec, decode, type Reader } from '#base/bytes.ts';
import {
  parseNtmobileOptions,
  sizeOfNtmobileOptions,
  writeNtmobileOptions,
} from './option-codec.ts';
import { FIRST_SKIPPABLE_OPTION, type NtmobileOption } from './options.ts';

type OptionType = NtmobileOption['type'];

/**
 * One row for each message: its number, whether it is an answer, the mandatory options of a request
 * or a positive answer, and options that may occur several times.
 */
interface MessageFacts {
  readonly number: number;
  readonly answers: 'always' | 'never' | 'either';
  readonly mandatory: readonly OptionType[];
  readonly repeatable: readonly OptionType[];
}

function row(
  number: number,
  answers: MessageFacts['answers'],
  mandatory: readonly OptionType[] = [],
  repeatable: readonly OptionType[] = [],
): MessageFacts {
  return { number, answers, mandatory, repeatable };
}

export const NTMOBILE_MESSAGES = {
  'registration-request': row(1, 'never', ['lifetime'], ['candidate', 'round-trip']),
  'registration-response': row(
    2,
    'always',
    ['lifetime', 'observed-endpoint'],
    ['endpoint', 'relay'],
  ),
  'address-request': row(3, 'never'),
  'address-response': row(4, 'always', ['observed-endpoint']),
  'direction-request': row(5, 'never', ['path-id'], ['candidate']),
  'route-direction': row(6, 'either', ['path-id', 'role'], ['candidate']),
  'route-direction-confirmation': row(7, 'always', ['path-id'], ['candidate']),
  'relay-direction': row(8, 'never', ['path-id', 'role'], ['node-id']),
  'relay-direction-response': row(9, 'always', ['path-id']),
  'relay-attach-request': row(10, 'never', ['relay-token']),
  'relay-attach-response': row(11, 'always', ['path-id', 'relay-index', 'observed-endpoint']),
  'path-challenge': row(12, 'never', ['challenge'], ['candidate']),
  'path-response': row(13, 'always', ['challenge', 'observed-endpoint']),
  'hole-punching': row(14, 'never', ['path-id']),
  'keep-alive': row(15, 'either'),
  release: row(16, 'never', ['path-id']),
  error: row(17, 'always'),
  'encapsulation-request': row(18, 'never', ['encapsulation-key']),
  'encapsulation-response': row(19, 'always', ['encapsulation']),
} as const satisfies Record<string, MessageFacts>;

export type NtmobileMessageType = keyof typeof NTMOBILE_MESSAGES;

export const NtmobileStatus = {
  granted: 0,
  malformed: 1,
  unknownOption: 2,
  notRegistered: 3,
  noSuchName: 4,
  nameNotResolved: 5,
  notAllowed: 6,
  peerNotReachable: 7,
  noRelay: 8,
  busy: 9,
  wrongToken: 10,
  unknownPath: 11,
  addressInUse: 12,
} as const;

/** The sender of a request chooses `transaction`; the answer repeats it. */
export interface NtmobileMessage {
  readonly type: NtmobileMessageType;
  readonly answer: boolean;
  readonly status: number;
  readonly transaction: number;
  readonly options: readonly NtmobileOption[];
}

const HEADER_OCTETS = 8;
const ANSWER = 1;
const TYPES: ReadonlyMap<number, NtmobileMessageType> = new Map(
  Object.entries(NTMOBILE_MESSAGES).flatMap(([type, { number }]) =>
    isType(type) ? [[number, type] as const] : [],
  ),
);

function isType(type: string): type is NtmobileMessageType {
  return type in NTMOBILE_MESSAGES;
}

function checkOptions(reader: Reader, facts: MessageFacts, message: NtmobileMessage): void {
  const seen = new Set<OptionType>();
  for (const { type } of message.options) {
    if (seen.has(type) && type !== 'unknown' && !facts.repeatable.includes(type))
      reader.fail(`${type} twice`);
    seen.add(type);
  }
  if (message.status !== NtmobileStatus.granted) return;
  for (const type of facts.mandatory)
    if (!seen.has(type)) reader.fail(`${message.type} without ${type}`);
}

function parse(reader: Reader): NtmobileMessage {
  const type = TYPES.get(reader.u8()) ?? reader.fail('unknown message');
  const facts: MessageFacts = NTMOBILE_MESSAGES[type];
  const flags = reader.u8();
  const status = reader.u8();
  if ((flags & ~ANSWER) !== 0 || reader.u8() !== 0) reader.fail('reserved bits are not zero');
  const answer = flags === ANSWER;
  if (facts.answers !== 'either' && answer !== (facts.answers === 'always'))
    reader.fail('answer flag of wrong value');
  if (!answer && status !== 0) reader.fail('a request with a status');
  const transaction = reader.u32();
  const message = { type, answer, status, transaction, options: parseNtmobileOptions(reader) };
  checkOptions(reader, facts, message);
  return message;
}

export const ntmobileMessageCodec: Codec<NtmobileMessage> = {
  name: 'NTMobile message',
  parse: (bytes) => decode(bytes, parse),
  size: ({ options }) => HEADER_OCTETS + sizeOfNtmobileOptions(options),
  write: ({ type, answer, status, transaction, options }, writer) => {
    writer.u8(NTMOBILE_MESSAGES[type].number);
    writer.u8(answer ? ANSWER : 0);
    writer.u8(status);
    writer.zero(1);
    writer.u32(transaction);
    writeNtmobileOptions(writer, options);
  },
};

/** Whether an unknown option must not be skipped: the answer is an Error with status 2. */
export function hasUnknownMandatoryOption({ options }: NtmobileMessage): boolean {
  return options.some(
    (option) => option.type === 'unknown' && option.optionType < FIRST_SKIPPABLE_OPTION,
  );
}

/** One line for the log. */
export function ntmobileMessageSummary({
  type,
  answer,
  status,
  transaction,
  options,
}: NtmobileMessage): string {
  const kind = answer ? `answer, status ${status}` : 'request';
  const types = options.map((option) => option.type).join(' ');
  return `${type} (${kind}), transaction ${transaction}, ${types}`;
}
