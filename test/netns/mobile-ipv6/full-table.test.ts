import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * A routing daemon's full table beside the mobile node's daemon. Times and memory of the daemon:
 * status within 50 ms, 50 MB more.
 */

const ROUTES = 500_000;
const ANSWER_MS = 50;
const MORE_MEGABYTES = 50;
const SOME_ADDRESSES = 20;
const CROWD = 1_000;
/** Every change of such a host's addresses is some work; it must not hold up an operator. */
const CROWD_ANSWER_MS = 250;

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ds', 'ar4'] });
  await journey.start('ds');
  await journey.lab.exec('mn', ['sh', '-c', 'ip link add bgp0 type veth peer name bgp1']);
  await journey.lab.exec('mn', ['sh', '-c', 'ip link set bgp1 up; ip link set bgp0 up']);
  await journey.lab.exec('mn', ['ip', 'address', 'add', '10.255.0.1/24', 'dev', 'bgp0']);
});
afterAll(async () => await journey?.close());

/** The batch of `ip` commands that adds or deletes every route. */
function batch(verb: 'add' | 'del'): string {
  const lines: string[] = [];
  for (let at = 0; at < ROUTES; at++)
    lines.push(`route ${verb} ${11 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}.0/24 dev bgp0`);
  return lines.join('\n');
}

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${journey.mobileNode.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** The time of the daemon's status. */
async function answerMs(): Promise<number> {
  const startedAt = nowMs();
  await journey.mobileNode.request('status');
  return nowMs() - startedAt;
}

/** The 95th percentile of the answers' times while `work` runs. */
async function answersDuring(work: Promise<unknown>): Promise<number> {
  let working = true;
  const done = work.finally(() => {
    working = false;
  });
  done.catch(() => undefined);
  const times: number[] = [];
  while (working) {
    times.push(await answerMs());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await done;
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.95)] ?? Number.NaN;
}

async function addresses(verb: 'add' | 'del'): Promise<void> {
  for (let at = 1; at <= SOME_ADDRESSES; at++)
    for (const address of [`10.254.${at}.1/24`, `fd54::${at}/64`])
      await journey.lab.exec('mn', ['ip', 'address', verb, address, 'dev', 'bgp0']);
}

/** What a host with many containers has. */
function crowd(verb: 'add' | 'del'): string {
  const lines: string[] = [];
  for (let at = 0; at < CROWD; at++) {
    const [high, low] = [at >> 8, at & 255];
    lines.push(`address ${verb} 10.${high}.${low}.1/32 dev bgp0`);
    lines.push(`address ${verb} fd55::${high}:${low}/128 dev bgp0 nodad`);
    lines.push(`rule ${verb} from 10.${high}.${low}.1 lookup ${1000 + at} priority 20000`);
    lines.push(`neighbour ${verb} 10.200.${high}.${low} lladdr 02:00:00:00:00:01 dev bgp0`);
  }
  return lines.join('\n');
}

async function inBatch(commands: string): Promise<void> {
  await journey.lab.exec('mn', ['ip', '-force', '-batch', '-'], { input: commands });
}

describe('a mobile node beside a full routing table', () => {
  it('answers at once, moves, and needs little memory', async () => {
    const before = residentMegabytes();
    const adding = await answersDuring(inBatch(batch('add')));
    const changing = await answersDuring(addresses('add').then(() => addresses('del')));
    await journey.moveTo('ar4');
    await waitFor(
      async () =>
        (await journey.lab.attempt('cn', ['ping', '-c1', '-W1', HOME.ipv4Address])).code === 0 ||
        undefined,
      { timeoutMs: 5_000, what: 'an answer of the home address' },
    );
    const more = residentMegabytes() - before;
    await journey.mobileNode.stop();
    await journey.startMobileNode();
    await journey.settled('ar4');
    const started = residentMegabytes() - before;
    const removing = await answersDuring(inBatch(batch('del')));
    expect(Math.max(adding, changing, removing)).toBeLessThan(ANSWER_MS);
    expect(Math.max(more, started)).toBeLessThan(MORE_MEGABYTES);
  });

  it('answers at once while thousands of addresses, rules and neighbours come and go', async () => {
    const adding = await answersDuring(inBatch(crowd('add')));
    const moving = await answersDuring(journey.moveTo('ds').then(() => journey.moveTo('ar4')));
    const removing = await answersDuring(inBatch(crowd('del')));
    expect(Math.max(adding, moving, removing)).toBeLessThan(CROWD_ANSWER_MS);
  });
});
