/** An account server whose disk is full at its start, and has space later. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DaemonProcess } from '#lab/daemons.ts';
import { run } from '#lab/shell.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { login, PASSWORD, system } from '#test/netns/helpers/ntmobile/account-client.ts';
import {
  operate,
  STATE,
  sojourn,
  startAccountServer,
} from '#test/netns/helpers/ntmobile/account-lab.ts';
import { NodeKey } from '#test/unit/account-server/node-key.ts';

let server: DaemonProcess;

async function shell(script: string): Promise<void> {
  await run(['sh', '-ec', script]);
}

beforeAll(async () => {
  server = await startAccountServer();
  expect(await server.stop()).toBe(0);
  await shell(
    `cp -a ${STATE} ${STATE}.kept; mount -t tmpfs -o size=512k,mode=700 tmpfs ${STATE}; ` +
      `cp -a ${STATE}.kept/. ${STATE}; ! dd if=/dev/zero of=${STATE}/filler bs=4k 2>/dev/null`,
  );
});
afterAll(async () => {
  await server?.stop();
  await shell(`umount -l ${STATE}; rm -rf ${STATE}.kept`);
});

it('shows accounts, and refuses changes with a reason until there is space', async () => {
  await server.start();
  expect(objectOf(await server.request('status'))['storeFault']).toContain('check free space');
  expect(await server.request('metrics')).toMatch(/^sojourn_store_writable 0$/m);
  expect(await run(['cat', server.logFile])).toContain('"event":"store-write-failed"');
  expect(JSON.stringify(await operate(['as', 'account', 'list']))).toContain('"bob"');
  expect(await system()).toBeDefined();
  const refused = await sojourn(['as', 'account', 'add', 'carol', '--no-password']);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/free space|writable/)]);
  const key = new NodeKey();
  expect((await login(key, 'alice', { password: PASSWORD })).status).toBe(503);

  rmSync(`${STATE}/filler`);
  await expect
    .poll(async () => (await login(key, 'alice', { password: PASSWORD })).status, {
      timeout: 10_000,
      interval: 200,
    })
    .toBe(200);
  expect(objectOf(await server.request('status'))['storeFault']).toBeUndefined();
  expect(await run(['cat', server.logFile])).toContain('"event":"store-recovered"');
  await operate(['as', 'account', 'add', 'carol', '--no-password']);
});
