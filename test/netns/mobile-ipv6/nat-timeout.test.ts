import { afterAll, beforeAll, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { nowMs, run, waitFor } from '#lab/shell.ts';
import { breakPath, repairPath } from '#test/netns/helpers/broken-path.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * A NAT that forgets a UDP mapping after three seconds, with keepalives every eight seconds by the
 * home agent's advice: nearly the proportion of 30 s to the usual 110 s, and quicker.
 */
const FORGETS_SECONDS = 3;
const ADVICE_SECONDS = 8;
/** Long enough for two intervals of the home agent's advice. */
const OBSERVED_MS = 2 * ADVICE_SECONDS * 1000;

let journey: Journey;

beforeAll(async () => {
  const homeAgent = { natKeepaliveSeconds: ADVICE_SECONDS };
  journey = await Journey.create({
    networks: ['nat-prc', 'nat-eim'],
    daemons: { homeLink: false, homeAgent },
  });
  for (const name of ['udp_timeout', 'udp_timeout_stream'])
    await run(['sysctl', '-qw', `net.netfilter.nf_conntrack_${name}=${FORGETS_SECONDS}`], {
      namespace: 'nat-prc',
    });
  await journey.start('nat-prc');
});
afterAll(async () => await journey?.close());

/** Whether the NAT would let a packet of the home agent in. Looking does not refresh it. */
async function isMapped(): Promise<boolean> {
  const list = ['conntrack', '-L', '-p', 'udp', '--dport', '4191'];
  return (await run(list, { namespace: 'nat-prc' })).includes('dport=4191');
}

/** Milliseconds until the mapping is missing; undefined if it is not, for `durationMs`. */
async function lostWithin(durationMs: number): Promise<number | undefined> {
  const began = nowMs();
  const ended = await waitFor(
    async () => {
      const lost = !(await isMapped());
      return lost || nowMs() - began > durationMs ? { lost } : undefined;
    },
    { timeoutMs: durationMs + 5_000, what: 'the end of the observation' },
  );
  return ended.lost ? nowMs() - began : undefined;
}

const keepalives = () => journey.count(journey.mobileNode, 'keepalive-sent');

/** Keepalives while the mapping was never missing for two intervals of the home agent's advice. */
async function keptOpen(): Promise<number | undefined> {
  const before = await keepalives();
  return (await lostWithin(OBSERVED_MS)) === undefined ? (await keepalives()) - before : undefined;
}

test('an idle node learns how long its NAT keeps a mapping, and stays callable', async () => {
  const what = 'a mapping that is kept';
  const sent = await waitFor(keptOpen, { timeoutMs: 60_000, what });
  // Not far more often than the NAT needs.
  expect(sent).toBeLessThanOrEqual(OBSERVED_MS / 1000 / (FORGETS_SECONDS / 2));
  expect(await journey.count(journey.mobileNode, 'callback-received')).toBeGreaterThan(0);
  const call = ['ping', '-n', '-c', '1', '-W', '1', HOME.virtualIpv4Address];
  await journey.lab.exec('cn', call);
});

/** The router drops the next callback, and nothing else. */
async function loseCallback(): Promise<void> {
  await breakPath(journey.lab, 'nat-eim', ['iifname "wan" udp sport 4191 counter']);
  const list = ['nft', 'list', 'table', 'inet', 'broken'];
  const lost = async () => / packets [1-9]/.test(await journey.lab.exec('nat-eim', list));
  await waitFor(lost, { timeoutMs: 30_000, what: 'a lost callback' });
  await repairPath(journey.lab, 'nat-eim');
}

test('a node that lost a callback learns the whole interval of its home agent', async () => {
  // This NAT keeps a mapping longer than that.
  const before = await keepalives();
  await journey.moveTo('nat-eim');
  // The first keepalive asks for the first callback.
  const asked = async () => (await keepalives()) > before;
  await waitFor(asked, { timeoutMs: 30_000, what: 'the first keepalive' });
  await journey.settled('nat-eim');
  await loseCallback();
  await waitFor(
    async () => {
      const updates = () => journey.count(journey.mobileNode, 'binding-update-sent');
      const before = await updates();
      const began = nowMs();
      const next = { timeoutMs: 20_000, what: 'the next Binding Update' };
      await waitFor(async () => (await updates()) > before, next);
      return nowMs() - began > (ADVICE_SECONDS - 1) * 1000;
    },
    { timeoutMs: 60_000, what: 'the whole interval' },
  );
});
