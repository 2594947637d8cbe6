import { describe, expect, test } from 'vitest';
import { ADDRESSES } from '#lab/networks.ts';
import { Lab } from '#lab/topology.ts';

interface PingResult {
  readonly received: number;
  readonly duplicates: number;
  readonly leastMs: number;
  /** Sequence numbers in the order of the answers. */
  readonly order: readonly number[];
}

async function ping(lab: Lab, count: number): Promise<PingResult> {
  const argv = [
    'ping',
    '-n',
    '-c',
    String(count),
    '-i',
    '0.005',
    '-W',
    '1',
    ADDRESSES.correspondentIpv6,
  ];
  const { stdout } = await lab.attempt('mn', argv);
  const answers = [...stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms( \(DUP!\))?/g)];
  const fresh = answers.filter((answer) => answer[3] === undefined);
  return {
    received: fresh.length,
    duplicates: answers.length - fresh.length,
    leastMs: Math.min(...answers.map((answer) => Number(answer[2]))),
    order: fresh.map((answer) => Number(answer[1])),
  };
}

async function pluggedInto(options: Parameters<typeof Lab.create>[0]): Promise<Lab> {
  const lab = await Lab.create({ networks: ['ar6'], ...options });
  await lab.move('mn', 'ar6');
  await lab.waitForAddress('mn', 6);
  return lab;
}

describe('links with delay, loss and without offload', () => {
  test('delays a round trip by twice the one-way delay and passes super-packets', async () => {
    await using lab = await pluggedInto({ delayMs: 10 });
    const { received, leastMs } = await ping(lab, 20);
    expect(received).toBe(20);
    expect(leastMs).toBeGreaterThanOrEqual(20);
    expect(leastMs).toBeLessThan(25);
    const server = lab.spawn('cn', ['iperf3', '--server', '--one-off', '--forceflush']);
    await server.ready('listening');
    const sent: unknown = JSON.parse(
      await lab.exec('mn', [
        'iperf3',
        '--json',
        '--bytes',
        '20M',
        '--client',
        ADDRESSES.correspondentIpv6,
      ]),
    );
    expect(sent).toMatchObject({
      end: { sum_received: { bytes: expect.toSatisfy((bytes: number) => bytes > 15_000_000) } },
    });
    expect((await server.exited).code).toBe(0);
  });

  test('loses packets without a delay', async () => {
    await using lab = await pluggedInto({ lossPercent: 20 });
    const { received } = await ping(lab, 300);
    expect(received).toBeGreaterThan(300 * 0.8 * 0.8 - 60);
    expect(received).toBeLessThan(300 * 0.8 * 0.8 + 60);
  });

  test('duplicates, reorders and loses packets by the link process', async () => {
    const linkArguments = ['--duplicate', '20', '--reorder', '10', '--loss', '5', '--seed', '7'];
    await using lab = await pluggedInto({ delayMs: 20, linkArguments });
    const { received, duplicates, order } = await ping(lab, 200);
    expect(received).toBeLessThan(200);
    expect(received).toBeGreaterThan(120);
    expect(duplicates).toBeGreaterThan(20);
    expect(order).not.toEqual(order.toSorted((left, right) => left - right));
  });

  test('limits frames to the MTU when segmentation offload is off', async () => {
    for (const [segmentationOffload, longest] of [
      [true, 'long'],
      [false, 'short'],
    ] as const) {
      await using lab = await pluggedInto({ segmentationOffload });
      const file = `${lab.logDirectory}/frames.pcap`;
      const capture = await lab.capture('core', 'to-ar6', file);
      const server = lab.spawn('cn', ['iperf3', '--server', '--one-off', '--forceflush']);
      await server.ready('listening');
      await lab.exec('mn', ['iperf3', '--bytes', '5M', '--client', ADDRESSES.correspondentIpv6]);
      await capture.stop();
      const frames = await lab.exec('core', [
        'tshark',
        '-r',
        file,
        '-Y',
        'tcp.port == 5201 && frame.len > 1514',
      ]);
      expect(frames.trim() === '' ? 'short' : 'long').toBe(longest);
    }
  });
});
