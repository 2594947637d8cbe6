/**
 * The last timestamp that each security association brought.
 *
 * RFC 4285 §6  a timestamp must be greater than all that were accepted from the mobile node before.
 *              The clock belongs to the holder of the key: each SPI of a mobile node has its own
 *              last timestamp, and all its home addresses share it
 */
import { timestampLater } from '#crypto/replay-timestamp.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';

export class AcceptedTimestamps {
  readonly #last = new Map<string, bigint>();

  /** Undefined before the first one. */
  last(mobileNode: AuthorizedMobileNode, spi: number): bigint | undefined {
    return this.#last.get(keyOf(mobileNode, spi));
  }

  /** Keeps the later one; zero is no timestamp. */
  accept(mobileNode: AuthorizedMobileNode, spi: number, timestamp: bigint): void {
    const key = keyOf(mobileNode, spi);
    const last = this.#last.get(key);
    if (timestamp !== 0n && (last === undefined || timestampLater(timestamp, last)))
      this.#last.set(key, timestamp);
  }
}

/** The same after a change of the configuration, which makes new objects. */
function keyOf({ identifier, homeAddresses }: AuthorizedMobileNode, spi: number): string {
  return `${spi} ${identifier ?? homeAddresses[0] ?? ''}`;
}
