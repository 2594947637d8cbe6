/**
 * A mobile node whose home agent does not run yet: the host answers as any host without Mobile
 * IPv6, and the node repeats its first Binding Update after the configured time.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { packet, sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect, octetsOf } from '#test/netns/helpers/tshark.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const STRANGER = ipv6(ADDRESSES.correspondentIpv6);
const UPDATES = 'mip6.mhtype == 5 && !icmpv6';
const ETHERNET = 14;

let journey: Journey;
let file: string;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6'],
    daemons: { mobileNode: { firstRegistrationTimeoutMs: 400 } },
  });
  const { lab } = journey;
  file = `${lab.logDirectory}/first-registration.pcap`;
  await lab.move('mn', 'ar6');
  await lab.waitForAddress('mn', 6);
  await using _ = await lab.capture('core', 'to-home', file);
  await journey.startMobileNode();
  await waitFor(async () => (await dissect(file, UPDATES, ['frame.number'])).length >= 3, {
    timeoutMs: 10_000,
    what: 'three Binding Updates',
  });
});
afterAll(async () => await journey?.close());

const counted = (reason: string) => journey.count(journey.mobileNode, reason);

describe('a mobile node without an answer to its first registration', () => {
  test('repeats a first registration after the configured time, and doubles it', async () => {
    const times = (await dissect(file, UPDATES, ['frame.time_epoch'])).map((field) =>
      Number(field('frame.time_epoch')),
    );
    const [first = 0, second = 0, third = 0] = times;
    expect(second - first).toBeGreaterThan(0.35);
    expect(second - first).toBeLessThan(0.7);
    expect(third - second).toBeGreaterThan(0.75);
    expect(third - second).toBeLessThan(1.2);
  });

  test('takes the Parameter Problem of the host as an answer, and reports it', async () => {
    const answers = await dissect(file, `icmpv6.type == 4 && ipv6.src == ${AGENT}`, ['ipv6.src']);
    expect(answers.length).toBeGreaterThan(0);
    expect(await counted('parameter-problem-followed')).toBe(1);
    const log = readFileSync(journey.mobileNode.logFile, 'utf8');
    expect(log).toContain('home-agent-without-mobility');
  });

  test('ignores the Parameter Problem of a stranger and one about a forged update', async () => {
    const { lab } = journey;
    const [frame = ''] = await octetsOf(file, UPDATES, 'frame');
    const update = fromHex(frame).subarray(ETHERNET);
    const careOf = ipv6(String((await journey.home())['careOfAddress']));
    const problem = (quoted: Uint8Array) =>
      encodeIcmpv6({ type: 'parameter-problem', pointer: 40, packet: quoted }, 1, STRANGER, careOf);
    const before = await counted('parameter-problem-ignored');
    await sendRaw(lab, 'cn', packet(STRANGER, careOf, PROTOCOL_ICMPV6, problem(update)));
    const forged = update.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const spoofed = encodeIcmpv6(
      { type: 'parameter-problem', pointer: 40, packet: forged },
      1,
      AGENT,
      careOf,
    );
    await sendRaw(lab, 'cn', packet(AGENT, careOf, PROTOCOL_ICMPV6, spoofed));
    await waitFor(async () => (await counted('parameter-problem-ignored')) >= before + 2, {
      timeoutMs: 5_000,
      what: 'both errors to be counted',
    });
    expect(await counted('parameter-problem-followed')).toBe(1);
  });

  test('registers when the home agent starts', async () => {
    await journey.homeAgent.start();
    await journey.settled('ar6');
  });
});
