/**
 * rtnetlink messages: the kernel reports links, addresses, routes, rules and neighbours, and a
 * program requests changes of them.
 *
 * RFC 3549 §2.3     message header, multipart messages, acknowledgements;  Linux netlink.h
 *                   (extended acknowledgement)
 * Left out: other objects (kept as `other`); big-endian hosts.
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                          Length                               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |            Type              |           Flags                |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                      Sequence Number                          |
 *   |                         Port ID                               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { assert, unreachable } from '#base/assert.ts';
import { type Codec, decode, type Malformed, malformed } from '#base/bytes.ts';
import {
  NetlinkFlag,
  NetlinkReader,
  NetlinkType,
  NetlinkWriter,
  numberOfFamily,
  RtnetlinkType,
} from './layout.ts';
import {
  parseAddress,
  parseLink,
  parseNeighbour,
  type RtnetlinkAddress,
  type RtnetlinkLink,
  type RtnetlinkNeighbour,
  writeAddress,
  writeLink,
  writeNeighbour,
} from './links.ts';
import { parseNexthop, type RtnetlinkNexthop, writeNexthop } from './nexthops.ts';
import {
  parseRoute,
  parseRule,
  type RtnetlinkRoute,
  type RtnetlinkRule,
  writeRoute,
  writeRule,
} from './routes.ts';

const HEADER_SIZE = 16;
const OPERATIONS = ['new', 'delete', 'get', 'set'] as const;
export type RtnetlinkOperation = (typeof OPERATIONS)[number];

interface Envelope {
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
}

interface Operated extends Envelope {
  readonly operation: RtnetlinkOperation;
}

/**
 * `errno` is positive; an `error` with errno 0 is an acknowledgement. `text` is the kernel's
 * explanation.
 */
export type RtnetlinkMessage =
  | (Operated & { readonly kind: 'link'; readonly link: RtnetlinkLink })
  | (Operated & { readonly kind: 'address'; readonly address: RtnetlinkAddress })
  | (Operated & { readonly kind: 'route'; readonly route: RtnetlinkRoute })
  | (Operated & { readonly kind: 'rule'; readonly rule: RtnetlinkRule })
  | (Operated & { readonly kind: 'neighbour'; readonly neighbour: RtnetlinkNeighbour })
  | (Operated & { readonly kind: 'nexthop'; readonly nexthop: RtnetlinkNexthop })
  | (Envelope & {
      readonly kind: 'error';
      readonly errno: number;
      readonly text: string | undefined;
    })
  | (Envelope & { readonly kind: 'done'; readonly errno: number })
  | (Envelope & {
      readonly kind: 'other';
      readonly messageType: number;
      readonly data: Uint8Array;
    });

/** Kinds that can be dumped and changed. */
export type RtnetlinkKind = keyof typeof RtnetlinkType;

function parseError(envelope: Envelope, body: NetlinkReader): RtnetlinkMessage {
  const errno = -body.i32(0);
  const original = body.u32(4);
  let text: string | undefined;
  if ((envelope.flags & NetlinkFlag.acknowledgementAttributes) !== 0) {
    const echoed = (envelope.flags & NetlinkFlag.capped) !== 0 ? HEADER_SIZE : (original + 3) & ~3;
    body.attributes(4 + echoed, (type, value) => {
      if (type === 1) text = value.text();
    });
  }
  return { ...envelope, kind: 'error', errno: errno === 0 ? 0 : errno, text };
}

function parseBody(envelope: Envelope, messageType: number, body: NetlinkReader): RtnetlinkMessage {
  if (messageType === NetlinkType.error) return parseError(envelope, body);
  if (messageType === NetlinkType.done) {
    return { ...envelope, kind: 'done', errno: body.length >= 4 ? -body.i32(0) || 0 : 0 };
  }
  return (
    parseObject(envelope, messageType, body) ?? {
      ...envelope,
      kind: 'other',
      messageType,
      data: body.copy(0, body.length),
    }
  );
}

function parseObject(
  envelope: Envelope,
  messageType: number,
  body: NetlinkReader,
): RtnetlinkMessage | undefined {
  const operation = OPERATIONS[messageType & 3] ?? 'new';
  // A dump request has only the start of a body, without an object.
  if (operation === 'get' && (envelope.flags & NetlinkFlag.dump) === NetlinkFlag.dump)
    return undefined;
  switch (messageType & ~3) {
    case RtnetlinkType.link: {
      const link = parseLink(body);
      return link && { ...envelope, kind: 'link', operation, link };
    }
    case RtnetlinkType.address: {
      const address = parseAddress(body);
      return address && { ...envelope, kind: 'address', operation, address };
    }
    case RtnetlinkType.route: {
      const route = parseRoute(body);
      return route && { ...envelope, kind: 'route', operation, route };
    }
    case RtnetlinkType.rule: {
      const rule = parseRule(body);
      return rule && { ...envelope, kind: 'rule', operation, rule };
    }
    case RtnetlinkType.neighbour: {
      const neighbour = parseNeighbour(body);
      return neighbour && { ...envelope, kind: 'neighbour', operation, neighbour };
    }
    case RtnetlinkType.nexthop:
      return { ...envelope, kind: 'nexthop', operation, nexthop: parseNexthop(body) };
    default:
      return undefined;
  }
}

/** Every message of one datagram. */
export function parseRtnetlink(bytes: Uint8Array): RtnetlinkMessage[] | Malformed {
  return decode(bytes, () => {
    const whole = new NetlinkReader(bytes);
    const messages: RtnetlinkMessage[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = whole.u32(at);
      if (length < HEADER_SIZE || at + length > bytes.length)
        throw malformed('netlink message length');
      const envelope = {
        flags: whole.u16(at + 6),
        sequence: whole.u32(at + 8),
        portId: whole.u32(at + 12),
      };
      messages.push(
        parseBody(envelope, whole.u16(at + 4), whole.sub(at + HEADER_SIZE, at + length)),
      );
      at += (length + 3) & ~3;
    }
    return messages;
  });
}

function typeOf(message: RtnetlinkMessage): number {
  if (message.kind === 'other') return message.messageType;
  if (message.kind === 'error' || message.kind === 'done') return NetlinkType[message.kind];
  return RtnetlinkType[message.kind] + OPERATIONS.indexOf(message.operation);
}

function writeBody(message: RtnetlinkMessage, writer: NetlinkWriter): void {
  switch (message.kind) {
    case 'link':
      writeLink(message.link, writer);
      return;
    case 'address':
      writeAddress(message.address, writer);
      return;
    case 'route':
      writeRoute(message.route, writer);
      return;
    case 'rule':
      writeRule(message.rule, writer);
      return;
    case 'neighbour':
      writeNeighbour(message.neighbour, writer);
      return;
    case 'nexthop':
      writeNexthop(message.nexthop, writer);
      return;
    case 'done':
      writer.u32(-message.errno >>> 0);
      return;
    case 'error':
      writer.u32(-message.errno >>> 0);
      // The header of the request; readers use only its length.
      writer.u32(HEADER_SIZE);
      writer.bytes(new Uint8Array(HEADER_SIZE - 4));
      writer.textAttribute(1, message.text);
      return;
    case 'other':
      writer.bytes(message.data);
      return;
    default:
      unreachable(message);
  }
}

/** A sequence of messages, each padded to four octets. */
function encodeRtnetlink(messages: readonly RtnetlinkMessage[]): Uint8Array {
  const writer = new NetlinkWriter();
  for (const message of messages) {
    const start = writer.offset;
    writer.u32(0);
    writer.u16(typeOf(message));
    writer.u16(message.flags);
    writer.u32(message.sequence);
    writer.u32(message.portId);
    writeBody(message, writer);
    writer.patchU32(start, writer.offset - start);
    writer.align();
  }
  return writer.finish();
}

export const rtnetlinkCodec: Codec<readonly RtnetlinkMessage[]> = {
  name: 'rtnetlink',
  parse: parseRtnetlink,
  size: (messages) => encodeRtnetlink(messages).length,
  write: (messages, writer) => writer.bytes(encodeRtnetlink(messages)),
};

/** Limits of a dump that the kernel applies. */
export interface DumpFilter {
  /** NTF_* of neighbours. */
  readonly neighbourFlags?: number;
  /** RTPROT_* of routes; needs strict checking. */
  readonly protocol?: number;
}

const DUMP_BODY_SIZES = { link: 16, address: 8, route: 12, rule: 12, neighbour: 12, nexthop: 8 };

/**
 * Asks for everything of a kind; answers are `new` messages up to `done`. Family undefined: both.
 */
export function encodeDump(
  kind: RtnetlinkKind,
  family: 4 | 6 | undefined,
  sequence: number,
  { neighbourFlags = 0, protocol = 0 }: DumpFilter = {},
): Uint8Array {
  const bodySize = DUMP_BODY_SIZES[kind];
  const data = new Uint8Array(bodySize);
  data[0] = family === undefined ? 0 : numberOfFamily(family);
  // Proxy entries are dumped only when the request has their flag.
  if (kind === 'neighbour') data[10] = neighbourFlags;
  if (kind === 'route') data[5] = protocol;
  const flags = NetlinkFlag.request | NetlinkFlag.dump;
  return encodeRtnetlink([
    { kind: 'other', messageType: RtnetlinkType[kind] + 2, flags, sequence, portId: 0, data },
  ]);
}

/**
 * `add` fails if the object exists; `replace` creates or changes it; `delete` fails if it does not
 * exist.
 */
type RtnetlinkChange = 'add' | 'replace' | 'delete';

function envelopeOf(change: RtnetlinkChange | 'append', sequence: number): Operated {
  const base = NetlinkFlag.request | NetlinkFlag.acknowledge;
  const flags = {
    add: base | NetlinkFlag.create | NetlinkFlag.exclusive,
    replace: base | NetlinkFlag.create | NetlinkFlag.replace,
    append: base | NetlinkFlag.create,
    delete: base,
  }[change];
  return { operation: change === 'delete' ? 'delete' : 'new', flags, sequence, portId: 0 };
}

/** Changes a link that exists (by index): flags in the mask, MTU, name. */
export function encodeLinkChange(link: RtnetlinkLink, sequence: number): Uint8Array {
  assert(link.index > 0, 'index of a link');
  const flags = NetlinkFlag.request | NetlinkFlag.acknowledge;
  return encodeRtnetlink([{ kind: 'link', operation: 'new', flags, sequence, portId: 0, link }]);
}

export function encodeAddressChange(
  change: RtnetlinkChange,
  address: RtnetlinkAddress,
  sequence: number,
): Uint8Array {
  return encodeRtnetlink([{ ...envelopeOf(change, sequence), kind: 'address', address }]);
}

export function encodeRouteChange(
  change: RtnetlinkChange,
  route: RtnetlinkRoute,
  sequence: number,
): Uint8Array {
  return encodeRtnetlink([{ ...envelopeOf(change, sequence), kind: 'route', route }]);
}

/** `append` adds the rule although an equal one exists; the kernel cannot replace rules. */
export function encodeRuleChange(
  change: 'add' | 'append' | 'delete',
  rule: RtnetlinkRule,
  sequence: number,
): Uint8Array {
  return encodeRtnetlink([{ ...envelopeOf(change, sequence), kind: 'rule', rule }]);
}

export function encodeNeighbourChange(
  change: RtnetlinkChange,
  neighbour: RtnetlinkNeighbour,
  sequence: number,
): Uint8Array {
  return encodeRtnetlink([{ ...envelopeOf(change, sequence), kind: 'neighbour', neighbour }]);
}
