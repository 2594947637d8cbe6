import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Background, nowMs, run, waitFor } from '#lab/shell.ts';
import { PROBE_ANSWER } from '#test/netns/helpers/plane/path-probes.ts';
import { INNER, SEALED_PORT } from '#test/netns/helpers/plane/plane-hosts.ts';
import { download, iperf } from '#test/netns/helpers/plane/plane-traffic.ts';
import {
  addressOf,
  ENDS,
  LEG,
  RelayHosts,
  type RelaySetting,
  tally,
} from '#test/netns/helpers/plane/relay-hosts.ts';
import type { Side } from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * Datagrams that a relay's plane does not forward, and its rate limits: real datagrams, counted by
 * the kernel of the other side.
 */

const MIXED: readonly RelaySetting[] = [
  { node: 4, homeAgent: 6, threads: 2, cipher: 'aes-128-gcm' },
  { node: 6, homeAgent: 4, threads: 2, cipher: 'aes-128-gcm' },
];
const BURST = 256 * 1024;
/** An answer to a probe of the path MTU as it is behind the UDP header. */
const ANSWER = 4 + 24 + PROBE_ANSWER;

/** Eight octets in the form of sealed data, in the envelope of `index`. */
const inEnvelope = (index: number, inner = '1000000100000001'): string =>
  `d${index.toString(16).padStart(7, '0')}${inner}`;

describe.each(MIXED)('a relay leg between IPv$node and IPv$homeAgent', (setting) => {
  let hosts: RelayHosts;
  beforeAll(async () => {
    hosts = await RelayHosts.create(setting);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  /** Sends through the plane of `side`, and therefore from the sealed port. */
  const send = async (
    side: Side,
    packet: string,
    relayIndex: number = LEG[side],
  ): Promise<void> => {
    const { injected } = await hosts[side].ask({
      inject: { path: hosts.udpPathToRelay(side, relayIndex), packet },
    });
    expect(injected).toBe(0);
  };
  /**
   * Runs `act`; expects the relay to count it as `name`, and the home agent's host to receive
   * nothing.
   */
  const refused = async (name: string, act: () => Promise<void>): Promise<void> => {
    const before = await hosts.relay.counter(name);
    const { received } = await tally(hosts.homeAgent, setting.homeAgent);
    await act();
    await hosts.relay.counted(name, before);
    expect(await hosts.relay.counter(name)).toBe(before + 1);
    expect((await tally(hosts.homeAgent, setting.homeAgent)).received).toBe(received);
  };

  it('forwards valid packets', async () => {
    const { received } = await tally(hosts.homeAgent, setting.homeAgent);
    for (const type of ['1', '9', 'a', 'b', 'c']) await send('node', `${type}000000100000001`);
    await waitFor(
      async () => (await tally(hosts.homeAgent, setting.homeAgent)).received === received + 5 * 12,
      {
        timeoutMs: 5_000,
        what: 'five datagrams',
      },
    );
    const { punts } = hosts.homeAgent;
    await waitFor(() => punts.length === 4, {
      timeoutMs: 5_000,
      what: 'four of them to be control',
    });
    const { local, remote } = hosts.udpPathToRelay('homeAgent');
    for (const { path } of punts) {
      expect(path).toMatchObject({
        kind: 'datagram',
        local,
        remote,
        remotePort: SEALED_PORT,
        relayIndex: LEG.homeAgent,
      });
    }
  });

  it('drops packets from another address', async () => {
    await refused('drop-relay-source', async () => {
      // The endpoint of the other leg cannot send through this leg.
      await send('homeAgent', '1000000100000001', LEG.node);
    });
  });

  it('drops packets from another port', async () => {
    const [, relay] = ENDS.node[setting.node];
    const octets = inEnvelope(LEG.node).replaceAll(/../g, (octet) => `\\x${octet}`);
    await refused('drop-relay-source', async () => {
      const argv = ['bash', '-c', `printf '${octets}' > /dev/udp/${relay}/${SEALED_PORT}`];
      await run(argv, { namespace: hosts.node.namespace });
    });
  });

  it('drops packets over the other family', async () => {
    const other = setting.node === 4 ? 6 : 4;
    const [own, relay] = ENDS.node[other];
    const path = {
      ...hosts.udpPathToRelay('node'),
      local: addressOf(other, own),
      remote: addressOf(other, relay),
    };
    await refused('drop-relay-source', async () => {
      await hosts.node.ask({ inject: { path, packet: '1000000100000001' } });
    });
  });

  it('drops packets while its endpoint is another one', async () => {
    await hosts.setLeg('node', { path: { remotePort: SEALED_PORT + 1 } });
    await refused('drop-relay-source', async () => await send('node', '1000000100000001'));
    await hosts.setLeg('node');
  });

  it('drops nested envelopes and types that are not forwarded', async () => {
    for (const type of ['0', '2', '8', 'd', 'e', 'f']) {
      await refused('drop-relay-type', async () => await send('node', `${type}000000100000001`));
    }
    await refused('drop-relay-type', async () => await send('node', inEnvelope(LEG.homeAgent)));
    for (const short of ['', '10', '100000']) {
      await refused('drop-relay-type', async () => await send('node', short));
    }
    expect((await hosts.leg('node'))['drop-type']).toBe(10);
  });

  it('forwards nothing for a wrong index', async () => {
    for (const index of [LEG.node + 1, 0xfffffff, 1]) {
      await refused('drop-unknown-spi', async () => await send('node', '1000000100000001', index));
    }
    // Datagrams other than data are punted to the relay's engine, which does not know the leg
    // either.
    await refused('punts', async () => await send('node', '9000000100000001', 0xfffffff));
    expect(hosts.relay.punts.at(-1)?.path).toMatchObject({ relayIndex: 0xfffffff });
  });

  it('drops packets without a joined leg', async () => {
    for (const other of [0, 0xfffffff]) {
      await hosts.setLeg('node', { other });
      await refused('drop-relay-alone', async () => await send('node', '1000000100000001'));
    }
    await hosts.setLeg('node');
    await hosts.relay.ask({ relayLegDelete: LEG.homeAgent });
    await refused('drop-relay-alone', async () => await send('node', '1000000100000001'));
    await hosts.setLeg('homeAgent');
    expect((await hosts.leg('node'))['drop-alone']).toBe(3);
  });
});

describe.each(MIXED)(
  'the anti-amplification limit of a leg, nodes on IPv$node and IPv$homeAgent',
  (setting) => {
    let hosts: RelayHosts;
    beforeAll(async () => {
      hosts = await RelayHosts.create(setting);
      await hosts.setLeg('homeAgent', { path: { validated: false } });
      // Disables echo replies, so that only packets sent by hand return.
      const mute = ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all'];
      await run(mute, { namespace: hosts.homeAgent.namespace });
    });
    afterAll(async () => await hosts[Symbol.asyncDispose]());

    const flood = async (): Promise<void> => {
      const before = await hosts.relay.counter('drop-relay-unvalidated');
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
        INNER.homeAgent4,
      ];
      const logFile = `/run/${hosts.node.namespace}-flood-${Math.round(nowMs())}.log`;
      await using background = new Background(argv, { namespace: hosts.node.namespace, logFile });
      await hosts.relay.counted('drop-relay-unvalidated', before, 50);
      await background.stop();
    };
    const seen = () => tally(hosts.homeAgent, setting.homeAgent);
    const speak = async (octets: number): Promise<void> => {
      const packet = `9${'0'.repeat(2 * (octets - 4) - 1)}`;
      await hosts.homeAgent.ask({ inject: { path: hosts.udpPathToRelay('homeAgent'), packet } });
      expect((await hosts.homeAgent.ask()).injected).toBe(0);
    };
    /**
     * Expects the relay to have used what three times the received octets allow, and no more. The
     * home agent sent `spoken` octets, and answers to those probes of the node that fitted.
     */
    const exhausted = async (spoken: number): Promise<void> => {
      const { sent, received } = await waitFor(
        async () => {
          const answers = await hosts.homeAgent.counter('path-probes-answered');
          const leg = await hosts.leg('homeAgent');
          const found = await seen();
          const settled =
            found.sent === spoken + answers * ANSWER &&
            found.sent === leg['receive-octets'] &&
            found.received === leg['transmit-octets'];
          return settled && found;
        },
        { timeoutMs: 5_000, what: 'equal counts of the kernel, the relay and the home agent' },
      );
      expect(received).toBeGreaterThan(3 * sent - 2_000);
      expect(received).toBeLessThanOrEqual(3 * sent);
    };

    it('sends nothing before the node sent', async () => {
      await flood();
      expect(await seen()).toEqual({ received: 0, sent: 0 });
    });

    it('sends at most three times the received octets', async () => {
      await speak(1200);
      await flood();
      await exhausted(1200);
      // Setting it again changes nothing.
      await hosts.setLeg('homeAgent', {
        path: { validated: false },
        rateKilobits: 3_999_999,
      });
      await flood();
      await exhausted(1200);
      for (let count = 0; count < 10; count += 1) await speak(1000);
      await flood();
      await exhausted(11_200);
      const leg = await hosts.leg('homeAgent');
      expect(leg['drop-unvalidated']).toBe(await hosts.relay.counter('drop-relay-unvalidated'));
    });

    it('starts at zero for a new address', async () => {
      await speak(1000);
      const [own] = ENDS.homeAgent[setting.homeAgent];
      await hosts.setLeg('homeAgent', {
        path: {
          validated: false,
          remote: addressOf(setting.homeAgent, own.replace(/2$/, '9')),
        },
      });
      await hosts.setLeg('homeAgent', { path: { validated: false } });
      const before = await seen();
      await flood();
      expect((await seen()).received).toBe(before.received);
    });

    it('ends with validation', async () => {
      await hosts.setLeg('homeAgent');
      await run(['sh', '-c', 'echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all'], {
        namespace: hosts.homeAgent.namespace,
      });
      const before = await hosts.relay.counter('drop-relay-unvalidated');
      // iperf3 ends an upload before the last of it has arrived.
      expect(await download(hosts, INNER.homeAgent4, '-n', '20M')).toBeGreaterThan(10 << 20);
      expect(await hosts.relay.counter('drop-relay-unvalidated')).toBe(before);
    });
  },
);

describe.each(MIXED)('the rate of a leg, between IPv$node and IPv$homeAgent', (setting) => {
  const KILOBITS = 20_000;
  let hosts: RelayHosts;
  beforeAll(async () => {
    hosts = await RelayHosts.create(setting);
    await hosts.setLeg('homeAgent', { rateKilobits: KILOBITS });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  /**
   * Runs `act`; returns the octets that arrived at the home agent meanwhile, and the maximum that
   * the leg's rate permits.
   */
  const measured = async (act: () => Promise<unknown>): Promise<readonly [number, number]> => {
    const before = await tally(hosts.homeAgent, setting.homeAgent);
    const start = performance.now();
    await act();
    const after = await tally(hosts.homeAgent, setting.homeAgent);
    // A kilobit a second is an octet in eight milliseconds.
    return [
      after.received - before.received,
      BURST + ((performance.now() - start + 10) * KILOBITS) / 8,
    ];
  };

  it('limits datagrams', async () => {
    const argv = ['-c', INNER.homeAgent4, '-u', '-b', '100M', '-l', '1200', '-t', '3'];
    const [received, most] = await measured(() => iperf(hosts, argv));
    expect(received).toBeLessThanOrEqual(most);
    expect(received).toBeGreaterThan((3 * KILOBITS * 1000) / 8 / 2);
    const drops = (await hosts.leg('homeAgent'))['drop-rate'] ?? 0;
    expect(drops).toBeGreaterThan(1000);
    expect(await hosts.relay.counter('drop-relay-rate')).toBe(drops);
  });

  it('leaves TCP its share', async () => {
    let downloaded = 0;
    const [received, most] = await measured(async () => {
      downloaded = await download(hosts, INNER.homeAgent6, '-t', '4');
    });
    expect(received).toBeLessThanOrEqual(most);
    expect(downloaded).toBeGreaterThan((4 * KILOBITS * 1000) / 8 / 5);
  });

  it('limits that leg alone', async () => {
    const before = await hosts.leg('node');
    expect(await download(hosts, INNER.homeAgent4, '-n', '40M', '-R')).toBeGreaterThanOrEqual(
      40 << 20,
    );
    expect((await hosts.leg('node'))['drop-rate']).toBe(before['drop-rate']);
  });

  it('blocks everything when it is zero', async () => {
    await hosts.setLeg('homeAgent', { rateKilobits: 0 });
    const before = await hosts.relay.counter('drop-relay-rate');
    const { received } = await tally(hosts.homeAgent, setting.homeAgent);
    const path = hosts.udpPathToRelay('node');
    for (let count = 0; count < 5; count += 1)
      await hosts.node.ask({ inject: { path, packet: '9000000100000001' } });
    await hosts.relay.counted('drop-relay-rate', before, 5);
    expect((await tally(hosts.homeAgent, setting.homeAgent)).received).toBe(received);
  });
});
