import { getSystemErrorName } from 'node:util';
import { isMalformed } from '#base/bytes.ts';
import { SystemError } from '#host/process/system-error.ts';
import {
  type DumpFilter,
  encodeDump,
  parseRtnetlink,
  type RtnetlinkKind,
  type RtnetlinkMessage,
} from '#wire/rtnetlink/message.ts';

/** The addon's `Netlink` class: one socket for synchronous requests, one for notifications. */
export interface NetlinkSocket {
  /**
   * Sends one request and returns every datagram up to its acknowledgement or the end of the dump.
   * Throws with `code` on a socket failure.
   */
  request(bytes: Uint8Array): readonly Uint8Array[];
  /**
   * Sends one request for a dump of routes and returns the default routes and those of
   * `routeProtocol`. Undefined: the table is so large that it would take longer than `budgetMs`.
   * Throws with `code`.
   */
  dumpRoutes(
    bytes: Uint8Array,
    routeProtocol: number,
    budgetMs: number,
  ): readonly Uint8Array[] | undefined;
  /** The same by another thread, however long it takes. */
  dumpRoutesLater(bytes: Uint8Array, routeProtocol: number): Promise<readonly Uint8Array[]>;
  /**
   * Of routes, only default routes and those of `routeProtocol` are reported. `overrun`: the kernel
   * dropped notifications (ENOBUFS), so everything has to be dumped.
   */
  subscribe(
    groups: readonly number[],
    routeProtocol: number,
    handler: (datagrams: readonly Uint8Array[], overrun: boolean) => void,
  ): void;
  close(): void;
}

/** The messages of these datagrams, without those that a newer kernel encodes differently. */
export function messagesOf(datagrams: readonly Uint8Array[]): RtnetlinkMessage[] {
  return datagrams.flatMap((datagram) => {
    const messages = parseRtnetlink(datagram);
    return isMalformed(messages) ? [] : messages;
  });
}

/** Attempts for a dump that the kernel reports as interrupted by a change. */
const DUMP_ATTEMPTS = 5;
const NLM_F_DUMP_INTR = 0x10;

/** Numbers requests and checks answers. A failure throws `SystemError` with the kernel's text. */
export class NetlinkRequests {
  readonly #socket: NetlinkSocket;
  #sequence = 0;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Requests one change; errno names in `harmless` count as success. Throws `SystemError`. */
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

  /** All objects of one kind; both families without `family`. */
  dump(kind: RtnetlinkKind, family?: 4 | 6, filter: DumpFilter = {}): RtnetlinkMessage[] {
    let messages: RtnetlinkMessage[] = [];
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const sequence = this.#next();
      messages = messagesOf(this.#socket.request(encodeDump(kind, family, sequence, filter)));
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

  /** None before Linux 5.3. */
  dumpNexthops(): RtnetlinkMessage[] {
    try {
      return this.dump('nexthop');
    } catch (cause) {
      if (cause instanceof SystemError && cause.code === 'EOPNOTSUPP') return [];
      throw cause;
    }
  }

  /** Default routes, and every route of `protocol`; undefined if that takes too long. */
  dumpRoutes(family: 4 | 6, protocol: number, budgetMs: number): RtnetlinkMessage[] | undefined {
    const request = encodeDump('route', family, this.#next());
    const datagrams = this.#socket.dumpRoutes(request, protocol, budgetMs);
    return datagrams && messagesOf(datagrams);
  }

  /** The same without waiting. */
  async dumpRoutesLater(family: 4 | 6, protocol: number): Promise<RtnetlinkMessage[]> {
    const request = encodeDump('route', family, this.#next());
    return messagesOf(await this.#socket.dumpRoutesLater(request, protocol));
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}
