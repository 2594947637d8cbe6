import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import type { DesiredTunnel } from '#engine/contract/desired-state.ts';
import { Background, nowMs, run } from '#lab/shell.ts';
import {
  INNER,
  type PlaneHosts,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { download } from '#test/netns/helpers/plane/plane-traffic.ts';
import { TALLY, tally } from '#test/netns/helpers/plane/relay-hosts.ts';
import {
  AES,
  CHACHA,
  keyOf,
  OVERHEAD,
  pathTo,
  sealByHand,
  sealedHosts,
} from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * How much a plane sends to an unvalidated peer address of a tunnel (RFC 9000 §8.1), counted by the
 * kernel of the other side.
 */

const CREDIT = 3_280;
/** An echo request of the flood as it is behind the UDP header. */
const LARGEST = 20 + 8 + 1_300 + 24;

describe.each([AES, CHACHA])(
  'the anti-amplification limit of a tunnel over IPv$family with $cipher',
  (sealing) => {
    const { family, cipher } = sealing;
    let hosts: PlaneHosts;
    const desired = (
      amplificationLimit = { number: 3, creditOctets: CREDIT },
      mtu = 1500 - OVERHEAD[family],
    ): DesiredTunnel =>
      withPath(tunnelOf('homeAgent', 'sealed', mtu, family), {
        ...{ validated: false, amplificationLimit },
      });
    beforeAll(async () => {
      hosts = await sealedHosts(sealing, 2);
      await run(['nft', '-f', '-'], { namespace: hosts.node.namespace, input: TALLY });
      // Disables echo replies, so that only intended packets return.
      const mute = ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all'];
      await run(mute, { namespace: hosts.node.namespace });
      await hosts.homeAgent.ask({ tunnelSet: desired() });
    });
    afterAll(async () => await hosts[Symbol.asyncDispose]());

    const flood = async (): Promise<void> => {
      const { namespace } = hosts.homeAgent;
      const before = await hosts.homeAgent.counter('drop-tunnel-unvalidated');
      const argv = [
        'ping',
        '-q',
        '-f',
        '-s',
        '1300',
        '-l',
        '20',
        '-c',
        '200',
        '-w',
        '10',
        '-W',
        '1',
        INNER.node4,
      ];
      const logFile = `/run/${namespace}-flood-${Math.round(nowMs())}.log`;
      await using background = new Background(argv, { namespace, logFile });
      await hosts.homeAgent.counted('drop-tunnel-unvalidated', before, 50);
      await background.stop();
    };
    const seen = () => tally(hosts.node, family);

    it('allows the granted octets and no more', async () => {
      await flood();
      const first = await seen();
      expect(first.sent).toBe(0);
      expect(first.received).toBeGreaterThan(CREDIT - LARGEST);
      expect(first.received).toBeLessThanOrEqual(CREDIT);
      // Setting it again changes nothing, nor does a smaller grant.
      await hosts.homeAgent.ask({ tunnelSet: desired(undefined, 1300) });
      await hosts.homeAgent.ask({
        tunnelSet: desired({ number: 3, creditOctets: 0 }),
      });
      await flood();
      expect(await seen()).toEqual(first);
    });

    it('allows three times the octets received from there', async () => {
      const before = await hosts.homeAgent.counter('receive-packets');
      const argv = [
        'ping',
        '-q',
        '-s',
        '1000',
        '-c',
        '5',
        '-i',
        '0.01',
        '-w',
        '5',
        '-W',
        '1',
        INNER.homeAgent4,
      ];
      await using speaking = new Background(argv, {
        namespace: hosts.node.namespace,
        logFile: `/run/${hosts.node.namespace}-speaking.log`,
      });
      await hosts.homeAgent.counted('receive-packets', before, 5);
      await speaking.stop();
      await flood();
      const { received, sent } = await seen();
      expect(sent).toBeGreaterThanOrEqual(5 * (20 + 8 + 1_000 + 24));
      expect(received).toBeGreaterThan(CREDIT + 3 * sent - LARGEST);
      expect(received).toBeLessThanOrEqual(CREDIT + 3 * sent);
    });

    it('allows nothing for datagrams that do not open', async () => {
      const before = await seen();
      const drops = await hosts.homeAgent.counter('drop-forged');
      const datagram = sealByHand(
        new Uint8Array(1_200),
        { ...keyOf('homeAgent', cipher), key: keyOf('node', cipher).key },
        9n,
      );
      for (let count = 0; count < 5; count += 1)
        await hosts.node.ask({ inject: { path: pathTo(family), packet: hex(datagram) } });
      await hosts.homeAgent.counted('drop-forged', drops, 5);
      await flood();
      const after = await seen();
      expect(after.sent).toBeGreaterThan(before.sent);
      // A small packet may have fitted into the remaining allowance.
      expect(after.received - before.received).toBeLessThan(LARGEST);
    });

    it('lets a connection start, which continues once the address is validated', async () => {
      await hosts.homeAgent.ask({
        tunnelSet: desired({ number: 4, creditOctets: CREDIT }),
      });
      const { received } = await seen();
      await flood();
      expect((await seen()).received - received).toBeLessThanOrEqual(CREDIT);
      await hosts.homeAgent.ask({
        tunnelSet: tunnelOf('homeAgent', 'sealed', 1500 - OVERHEAD[family], family),
      });
      const before = await hosts.homeAgent.counter('drop-tunnel-unvalidated');
      // iperf3 ends an upload before the last of it has arrived.
      expect(await download(hosts, INNER.homeAgent4, '-n', '20M', '-R')).toBeGreaterThan(10 << 20);
      expect(await hosts.homeAgent.counter('drop-tunnel-unvalidated')).toBe(before);
    });
  },
);
