/** The mobile node's daemon as a node of NTMobile: real account server, direction coordinator, translators and packets, and no relay. */
import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { Leftovers } from './leftovers.ts';
import { NtmobileNodes, PASSWORD } from './ntmobile-nodes.ts';

let nodes: NtmobileNodes;
let leftovers: Leftovers;

beforeAll(async () => {
  nodes = await NtmobileNodes.create({ networks: ['ar4', 'ar6', 'ds', 'nat-prc'] });
  for (const [name, network] of [
    ['a', 'ar4'],
    ['b', 'ds'],
  ] as const) {
    await nodes.lab.move(name, network);
    await nodes.lab.waitForAddress(name, 4, { timeoutMs: 15_000 });
  }
  leftovers = await Leftovers.since(['a', 'b']);
});
afterAll(async () => await nodes?.close());

describe('a node', () => {
  it('logs in and registers', async () => {
    await nodes.start('a');
    await nodes.start('b');
    expect(await nodes.status('a')).toMatchObject({
      ...{ name: 'a.nodes.example', coordinator: 'registered', coordinatorName: 'dc.example' },
      virtualIpv6: expect.stringMatching(/^fd12:3456:789a:/),
      virtualIpv4: expect.stringMatching(/^198\.18\./),
    });
  });

  it('keeps its key and its password to itself', () => {
    const file = `${STATE_DIRECTORY}/a.key`;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const log = readFileSync(nodes.node('a').logFile, 'utf8');
    expect(log).toContain('logged-in');
    for (const secret of [readFileSync(file, 'utf8').trim().slice('hex:'.length), PASSWORD])
      expect(log).not.toContain(secret);
  });

  it('ends cleanly, and leaves nothing', async () => {
    for (const name of ['a', 'b'] as const) expect(await nodes.node(name).stop()).toBe(0);
    await leftovers.expectNone();
  });
});
