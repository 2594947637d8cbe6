/**
 * Home and Care-of Tests, which answer the requests for tokens.
 *
 * RFC 6275 §9.4.3-4  the answers, to the source of the request;  §5.2.5 no state for a mobile node
 *
 * An answer has eight octets more than the shortest request, and a request may have a forged
 * source, so that the answers to one network are limited.
 */
import type { Ipv6Address } from '#base/ip.ts';
import { careOfKeygenToken, homeKeygenToken } from '#crypto/return-routability.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import type { Ipv6Packet } from '#wire/ip/ipv6.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import type { MobilityMessage, MobilityMessageOf } from '#wire/mobility/message.ts';
import type { Nonce, Nonces } from './nonces.ts';
import type { CorrespondentNodeCounters } from './reasons.ts';

/** A home network of many mobile nodes is one site. */
const TEST_RATES = {
  site: { perSecond: 500, burst: 1000 },
  network: { perSecond: 2000, burst: 4000 },
} as const;

type TestInit = MobilityMessageOf<'home-test-init' | 'care-of-test-init'>;

interface AddressTestsContext {
  readonly counters: CorrespondentNodeCounters;
  readonly nonces: Pick<Nonces, 'current'>;
}

export class AddressTests {
  readonly #context: AddressTestsContext;
  readonly #limit = new SourceRateLimit(TEST_RATES);

  constructor(context: AddressTestsContext) {
    this.#context = context;
  }

  answer(
    { now, out }: Step,
    path: PacketPath,
    { source, destination }: Ipv6Packet,
    init: TestInit,
  ): void {
    const { counters, nonces } = this.#context;
    if (!this.#limit.take(now, source)) {
      counters.count('test-rate-limited');
      return;
    }
    const test = testOf(nonces.current(now), source, init);
    const payload = encodeMobility(test, destination, source);
    const packet = mobilityPacket(destination, source, undefined, payload);
    out.push({ kind: 'send', path, packet });
    counters.count(init.type === 'home-test-init' ? 'home-test-answered' : 'care-of-test-answered');
  }
}

function testOf({ index, nodeKey, octets }: Nonce, to: Ipv6Address, init: TestInit) {
  const test: MobilityMessage =
    init.type === 'home-test-init'
      ? {
          type: 'home-test',
          homeNonceIndex: index,
          homeInitCookie: init.homeInitCookie,
          homeKeygenToken: homeKeygenToken(nodeKey, to, octets),
          options: [],
        }
      : {
          type: 'care-of-test',
          careOfNonceIndex: index,
          careOfInitCookie: init.careOfInitCookie,
          careOfKeygenToken: careOfKeygenToken(nodeKey, to, octets),
          options: [],
        };
  return test;
}
