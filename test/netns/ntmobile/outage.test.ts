import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nowMs, waitFor } from '#lab/shell.ts';
import { NtmobileTraffic } from '#test/netns/helpers/ntmobile/ntmobile-traffic.ts';

/**
 * Outages of servers: established paths continue without them, and operations that need them resume
 * as soon as they are back.
 */

let traffic: NtmobileTraffic;

beforeAll(async () => {
  traffic = await NtmobileTraffic.create(['ar4', 'ar6', 'nat-prc', 'nat-prc-b', 'nat-sym']);
  await traffic.start({ mn: 'nat-sym', mn2: 'nat-prc-b' });
  await traffic.begin(80_000_000);
});
afterAll(async () => await traffic?.[Symbol.asyncDispose]());

/** Whether a name that was not looked up before resolves and its host answers. */
async function reachesByName(name: string): Promise<boolean> {
  const mn = traffic.node('mn');
  const argv = mn.argv(['ping', '-n', '-c', '1', '-i', '0.2', '-w', '2', name]);
  return (await traffic.lab.attempt('mn', argv)).code === 0;
}

const registered = async (name: 'mn' | 'mn2'): Promise<boolean> =>
  (await traffic.node(name).status())['coordinator'] === 'registered';

describe('a direction coordinator', () => {
  test('leaves every tunnel up when killed, even over a move', async () => {
    await traffic.system.coordinator.kill();
    await traffic.flow('the coordinator was killed');
    await traffic.move({ mn: 'ar4' });
    await traffic.flow('a move without a coordinator');
  });

  test('finds a node that moved meanwhile within five seconds of its return', async () => {
    await traffic.move({ mn: 'ar6' });
    await traffic.flow('another move without a coordinator');
    const beganMs = nowMs();
    await traffic.system.coordinator.start();
    const upMs = nowMs();
    await waitFor(async () => (await registered('mn')) && (await registered('mn2')), {
      timeoutMs: 10_000,
      what: 'both nodes to be registered again',
      intervalMs: 20,
    });
    await waitFor(() => reachesByName('gn4.example'), {
      timeoutMs: 10_000,
      what: 'a name that was never resolved before',
    });
    const recoveredMs = nowMs();
    console.log(
      `up after ${Math.round(upMs - beganMs)} ms; all again ` +
        `${Math.round(recoveredMs - upMs)} ms later`,
    );
    expect(recoveredMs - upMs).toBeLessThan(5_000);
    await traffic.flow('the coordinator is back');
  });
});

describe('an account server', () => {
  test('may be down while tunnels carry data, nodes move and nodes restart', async () => {
    await traffic.system.accountServer.kill();
    await traffic.move({ mn: 'nat-prc', mn2: 'ar4' });
    await traffic.flow('a move without an account server');
    await traffic.finish();
    await traffic.node('mn2').stop();
    await traffic.node('mn2').start();
    await waitFor(() => reachesByName('mn2.nodes.example'), {
      timeoutMs: 20_000,
      what: 'mn2 by its name',
    });
  });

  test('may be down while a coordinator starts and admits nodes by their credentials', async () => {
    await traffic.system.coordinator.stop();
    await traffic.system.coordinator.start();
    await traffic.node('mn').stop();
    await traffic.node('mn').start();
    await waitFor(() => reachesByName('mn2.nodes.example'), {
      timeoutMs: 20_000,
      what: 'mn2 by its name',
    });
  });
});
