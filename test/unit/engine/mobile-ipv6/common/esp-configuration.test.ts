import { describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import type { JsonValue } from '#base/json.ts';
import { sha256 } from '#crypto/primitives.ts';
import type { Output } from '#engine/contract/output.ts';
import type { EspAssociation } from '#engine/mobile-ipv6/common/esp/association.ts';
import {
  association,
  direction,
  End,
  HOME,
  IN_UDP,
  NAT,
  OVER_IPV6,
  tunnelPart,
} from './esp-tunnels-scene.ts';

const LEASE = 2 ** 24;

describe('another configuration', () => {
  const other = (data: NonNullable<EspAssociation['data']>) => [association(HOME, { data })];
  const PAIRS = {
    'both keys': { toHomeAgent: direction(2003), toMobileNode: direction(2004) },
    'the key to the home agent': { toHomeAgent: direction(2003), toMobileNode: direction(1004) },
    'the key to the mobile node': { toHomeAgent: direction(1003), toMobileNode: direction(2004) },
  } as const;

  /** A node that has sent and received, and the number behind its lease. */
  function used(): End {
    const node = new End('mobile-node');
    node.desire(tunnelPart(OVER_IPV6));
    node.carried(LEASE / 2 + 1, 4321);
    return node;
  }

  it.each([
    ['both keys', { from: 1, after: 0 }],
    ['the key to the home agent', { from: 1, after: 4321 }],
    ['the key to the mobile node', { from: 2 * LEASE + 1, after: 0 }],
  ] as const)(
    'leaves the numbers of the keys that stay over a restart which replaces %s',
    (name, found) => {
      const node = used();
      const associations = other(PAIRS[name]);
      const later = new End('mobile-node', { records: node.records, associations });
      later.desire(tunnelPart(OVER_IPV6));
      expect(later.keys).toMatchObject({
        send: { spi: PAIRS[name].toHomeAgent.spi, from: found.from },
        receive: { spi: PAIRS[name].toMobileNode.spi, after: found.after },
      });
      // The former keys come back.
      const last = new End('mobile-node', { records: later.records });
      last.desire(tunnelPart(OVER_IPV6));
      expect(last.keys?.send?.from).toBe(
        name === 'the key to the mobile node' ? 3 * LEASE + 1 : 2 * LEASE + 1,
      );
      expect(last.keys?.receive.after).toBe(4321);
    },
  );

  it.each([
    ['both keys', { spi: 2003, from: 1, until: LEASE }],
    ['the key to the home agent', { spi: 2003, from: 1, until: LEASE }],
    ['the key to the mobile node', { spi: 1003, from: 1, until: 2 * LEASE }],
  ] as const)(
    'gives a tunnel that stays the new keys after a reload which replaces %s',
    (name, send) => {
      const node = used();
      const out: Output[] = [];
      node.tunnels.reconfigure({ now: node.now, out }, other(PAIRS[name]));
      const keys = out.flatMap((one) =>
        one.kind === 'set-desired' ? (one.part?.espKeys ?? []) : [],
      );
      const receive = { spi: PAIRS[name].toMobileNode.spi, after: 0 };
      // The plane continues a key that stays behind its own counters.
      expect(keys).toMatchObject([{ send: { ...send, epoch: 0x050505 }, receive }]);
    },
  );

  it('continues a pair of keys behind the record that both shared once', () => {
    const shared = sharedFingerprint();
    const record = { sent: 5 * LEASE, received: 77, remote: NAT, remotePort: 62_000 };
    const records = new Map<string, JsonValue>([[shared, record]]);
    const node = new End('mobile-node', { records });
    node.desire(tunnelPart(IN_UDP));
    expect(node.keys).toMatchObject({ send: { from: 5 * LEASE + 1 }, receive: { after: 77 } });
    node.carried(5 * LEASE + 1, 99);
    // From now on each key has its own record.
    const later = new End('mobile-node', {
      ...{ records: node.records, associations: other(PAIRS['the key to the mobile node']) },
    });
    later.desire(tunnelPart(IN_UDP));
    expect(later.keys).toMatchObject({ send: { from: 6 * LEASE + 1 }, receive: { after: 0 } });
    const last = new End('mobile-node', { records: later.records });
    last.desire(tunnelPart(IN_UDP));
    expect(last.keys).toMatchObject({ send: { from: 7 * LEASE + 1 }, receive: { after: 99 } });
    const agent = new End('home-agent', { records });
    agent.desire(tunnelPart(IN_UDP));
    expect(agent.path?.remotePort).toBe(62_000);
  });

  /** Of the keys of `association()`, as earlier versions had it. */
  function sharedFingerprint(): string {
    const text = new TextEncoder().encode('aes-gcm-16 ');
    const keys = [direction(1003), direction(1004)].flatMap(({ key }) => [text, key]);
    return hex(sha256(...keys).subarray(0, 16));
  }
});
