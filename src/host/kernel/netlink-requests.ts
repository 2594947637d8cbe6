import { getSystemErrorName } from 'node:util';
import { isMalformed } from '#base/bytes.ts';
import { SystemError } from '#host/process/system-error.ts';
import {
  encodeDump,
  parseRtnetlink,
  type RtnetlinkKind,
  type RtnetlinkMessage,
} from '#wire/rtnetlink/message.ts';

/**
 * What the addon's `Netlink` class gives: one socket for requests, answered before the call
 * returns, and one for notifications.
 */
export interface NetlinkSocket {
  /**
   * Sends one request and answers every datagram up to its acknowledgement or end of dump. Throws
   * with `code` on a socket failure.
   */
  request(bytes: Uint8Array): readonly Uint8Array[];
  /** `overrun`: the kernel dropped notifications (ENOBUFS); everything must be asked again. */
  subscribe(
    groups: readonly number[],
    handler: (datagrams: readonly Uint8Array[], overrun: boolean) => void,
  ): void;
  close(): void;
}

/**
 * Every message of these datagrams; one that we cannot read is our defect or a kernel newer than
 * its own documentation: left out.
 */
export function messagesOf(datagrams: readonly Uint8Array[]): RtnetlinkMessage[] {
  return datagrams.flatMap((datagram) => {
    const messages = parseRtnetlink(datagram);
    return isMalformed(messages) ? [] : messages;
  });
}

/** Dumps that the kernel may say were interrupted by a change are asked again this often. */
const DUMP_ATTEMPTS = 5;
const NLM_F_DUMP_INTR = 0x10;

/**
 * Requests with sequence numbers, answers checked; failures become `SystemError` with the kernel's
 * own words.
 */
export class NetlinkRequests {
  readonly #socket: NetlinkSocket;
  #sequence = 0;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** One change; the errno names in `harmless` are success. Throws `SystemError`. */
  change(
    what: string,
    harmless: readonly string[],
    encode: (sequence: number) => Uint8Array,
  ): void {
    const sequence = this.#next();
    for (const message of messagesOf(this.#socket.request(encode(sequence)))) {
      if (message.kind !== 'error' || message.sequence !== sequence || message.errno === 0)
        continue;
      const code = getSystemErrorName(-message.errno);
      if (harmless.includes(code)) continue;
      throw new SystemError(
        code,
        `${what}: ${code}${message.text === undefined ? '' : ` (${message.text})`}`,
      );
    }
  }

  /** Everything of one kind; family undefined for both. */
  dump(kind: RtnetlinkKind, family?: 4 | 6, neighbourFlags = 0): RtnetlinkMessage[] {
    let messages: RtnetlinkMessage[] = [];
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const sequence = this.#next();
      messages = messagesOf(
        this.#socket.request(encodeDump(kind, family, sequence, neighbourFlags)),
      );
      const failed = messages.find(
        (message) => message.kind === 'error' || message.kind === 'done',
      );
      if (failed !== undefined && 'errno' in failed && failed.errno !== 0) {
        const code = getSystemErrorName(-failed.errno);
        throw new SystemError(code, `dump of ${kind}: ${code}`);
      }
      if (!messages.some((message) => (message.flags & NLM_F_DUMP_INTR) !== 0)) break;
    }
    return messages;
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}
