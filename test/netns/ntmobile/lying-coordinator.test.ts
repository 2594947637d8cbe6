/**
 * A direction coordinator that lies, among real daemons: the real coordinator, whose messages are
 * changed before it seals them. docs/reference/ntmobile.md §8, §11.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJson } from '#daemon/control/json-lines.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { HostileSystem } from '#test/netns/helpers/ntmobile/hostile-system.ts';
import { LIES } from '#test/sim/ntmobile/coordinator-lies.ts';

const ECHO = join(import.meta.dirname, '../helpers/ntmobile/tagged-echo.py');
const PORT = '7';
const PAYLOADS = 50;

let hostile: HostileSystem;
const servers: Background[] = [];

beforeAll(async () => {
  hostile = await HostileSystem.start({ a: 'ds', b: 'ar4', c: 'ar6' });
  for (const [namespace, tag] of [
    ['server6', 'the attacker'],
    ['b', 'b'],
  ] as const) {
    servers.push(hostile.lab.spawn(namespace, ['python3', ECHO, 'serve', tag, PORT]));
    const listening = async () =>
      (await hostile.lab.attempt(namespace, ['ss', '-ulnH'])).stdout.includes(`:${PORT} `);
    await waitFor(listening, { timeoutMs: 10_000, what: `the echo server of ${namespace}` });
  }
  // The coordinator may repeat this credential.
  await hostile.resolve('a', hostile.node('c').domainName);
});
afterAll(async () => {
  hostile?.honest();
  for (const server of servers) await server.stop();
  await hostile?.[Symbol.asyncDispose]();
});

/** Payloads of an application on node a that came back, by the host that answered. */
async function payloadsTo(name: string) {
  const argv = ['python3', ECHO, 'count', name, PORT, String(PAYLOADS)];
  const { stdout } = await hostile.lab.attempt('a', hostile.node('a').argv(argv), {
    timeoutMs: 30_000,
  });
  return objectOf(parseJson(stdout) ?? null);
}

describe('a node whose direction coordinator lies', () => {
  it('sends no payload for another node to the server of an attacker', async () => {
    const { target } = await hostile.lie('names a server in place of a node');
    expect(await payloadsTo(target)).toEqual({ unresolved: expect.any(Number) });
    expect(await hostile.counters('a')).toMatchObject({
      'direction-general-in-zone': expect.any(Number),
    });
  });

  it.each(Object.entries(LIES))('refuses and counts a coordinator that %s', async (lie, facts) => {
    hostile.honest();
    const { otherServer } = await hostile.subject();
    if (facts.usesOtherServer === true)
      expect(await hostile.resolve('a', otherServer, 'A')).toContain('status: NOERROR');
    const { target, server } = await hostile.lie(lie);
    const victim = facts.at === 'requester' ? 'a' : 'b';
    const counted = async () => Number((await hostile.counters(victim))[facts.refusedAs] ?? 0);
    const before = await counted();
    const name = facts.asks === 'target' ? target : server;
    expect(await hostile.resolve('a', name)).toContain('status: SERVFAIL');
    expect((await counted()) - before).toBeGreaterThan(0);
    expect(await hostile.node('a').pathTo(hostile.node('b'))).toBeUndefined();
  });

  it('reports each reason to the operator once', () => {
    const log = readFileSync(hostile.node('a').daemon.logFile, 'utf8').split('\n');
    const reports = log.filter((line) => line.includes('direction-refused'));
    for (const reason of ['direction-general-in-zone', 'relay-unknown', 'credential-refused'])
      expect(reports.filter((line) => line.includes(reason))).toHaveLength(1);
  });

  it('reaches the other node when the coordinator is honest again', async () => {
    hostile.honest();
    const found = await payloadsTo(hostile.node('b').domainName);
    expect(Object.keys(found)).toEqual(['b']);
    expect(found['b']).toBeGreaterThan(PAYLOADS - 3);
  });
});
