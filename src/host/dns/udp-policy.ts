/**
 * What a DNS server sends over UDP to sources that nothing proves: limited in rate, and never much
 * larger than the query.
 *
 * RFC 7873 §5.2  a valid cookie proves the source
 */
import { randomBytes } from 'node:crypto';
import { type IpAddress, isIpv6, parseIpAddress } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { DnsCookies } from './dns-cookies.ts';
import { type DnsQuery, type DnsReplyContent, respond, truncated } from './dns-query.ts';
import { ResponseRateLimit } from './response-rate-limit.ts';

const ANSWERS_PER_SECOND = 50;
/** An answer to an unproved source has at most this many times the octets of its query. */
const LARGEST_FACTOR = 3;
const SECRET_OCTETS = 32;

/** `limited`: not sent; `slipped`: truncated because of the rate, `shortened`: of the size. */
type UdpCounter = 'limited' | 'slipped' | 'shortened' | 'proved';

export class UdpPolicy {
  readonly #cookies = new DnsCookies(randomBytes(SECRET_OCTETS), () =>
    Math.floor(Date.now() / 1000),
  );
  readonly #rates: ResponseRateLimit;
  readonly #counters: Record<UdpCounter, number> = {
    limited: 0,
    slipped: 0,
    shortened: 0,
    proved: 0,
  };

  constructor(perSecond = ANSWERS_PER_SECOND) {
    this.#rates = new ResponseRateLimit(perSecond);
  }

  setRate(perSecond: number): void {
    this.#rates.setRate(perSecond);
  }

  counters(): Readonly<Record<UdpCounter, number>> {
    return { ...this.#counters };
  }

  /** An error without records; it is never larger than its query. */
  error(answer: Uint8Array | undefined, client: string): Uint8Array | undefined {
    if (answer === undefined || this.#judge(client) === 'answer') return answer;
    this.#counters.limited += 1;
    return undefined;
  }

  /** Whether and how a query of `octets` length is answered. `content` is called for an answer. */
  answer(
    query: DnsQuery,
    octets: number,
    client: string,
    content: () => DnsReplyContent,
  ): Uint8Array | undefined {
    const { cookie: given } = query;
    const cookie = given === undefined ? undefined : this.#cookies.answer(given, client);
    if (given !== undefined && this.#cookies.isValid(given, client)) {
      this.#counters.proved += 1;
      return respond(query, { ...content(), cookie });
    }
    const verdict = this.#judge(client);
    if (verdict === 'drop') {
      this.#counters.limited += 1;
      return undefined;
    }
    if (verdict === 'truncate') {
      this.#counters.slipped += 1;
      return truncated(query, { cookie });
    }
    const whole = respond(query, { ...content(), cookie });
    if (whole.length <= LARGEST_FACTOR * octets) return whole;
    this.#counters.shortened += 1;
    return truncated(query, { cookie });
  }

  #judge(client: string): ReturnType<ResponseRateLimit['judge']> {
    const address = parseIpAddress(client.replace(/%.*$/, ''));
    // No other host can send from a loopback address.
    if (address === undefined || isLoopback(address)) return 'answer';
    return this.#rates.judge(monotonic(performance.now()), address);
  }
}

function isLoopback(address: IpAddress): boolean {
  return isIpv6(address) ? address === '::1' : address.startsWith('127.');
}
