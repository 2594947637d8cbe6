import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseObject } from '#daemon/control/json-lines.ts';
import { type DaemonProcess, HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { run, waitFor } from '#lab/shell.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';

/** The disk of both daemons is full or read-only, at the start or later, and usable again. */

const DISK = `${LAB_DIRECTORY}/disk`;
const DISK_OCTETS = 512 * 1024;

let journey: Journey;

beforeEach(async () => {
  await shell(`mkdir -p ${DISK}; mount -t tmpfs -o size=${DISK_OCTETS} tmpfs ${DISK}`);
  journey = await Journey.create({
    networks: ['ar6', 'nat-prc'],
    daemons: { homeLink: false, daemon: { stateDirectory: `${DISK}/state` } },
  });
});
afterEach(async () => {
  await journey?.close();
  await shell(`umount -l ${DISK}; rmdir ${DISK}`);
});

async function shell(script: string): Promise<void> {
  await run(['sh', '-ec', script]);
}

const fill = (): Promise<void> => shell(`! dd if=/dev/zero of=${DISK}/filler bs=4k 2>/dev/null`);
const readOnly = (): Promise<void> => shell(`mount -o remount,ro ${DISK}`);
const writable = (): Promise<void> => shell(`mount -o remount,rw ${DISK}`);

async function start(): Promise<void> {
  await journey.homeAgent.start();
  await journey.lab.move('mn', 'ar6');
  await journey.lab.waitForAddress('mn', 6);
  await journey.startMobileNode();
  await works('ar6');
}

async function works(network: 'ar6' | 'nat-prc'): Promise<void> {
  await journey.settled(network);
  await journey.lab.exec('cn', ['ping', '-n', '-c', '5', '-i', '0.2', HOME.virtualAddress]);
}

async function faultOf(daemon: DaemonProcess): Promise<unknown> {
  return objectOf(objectOf(await daemon.request('status'))['driver'])['storeFault'];
}

/** Both daemons say in status, metrics and events that their stores are not written. */
async function expectLoud(): Promise<void> {
  for (const daemon of [journey.homeAgent, journey.mobileNode]) {
    await waitFor(async () => (await faultOf(daemon)) !== undefined, {
      timeoutMs: 5_000,
      what: `${daemon.name} to report its store`,
    });
    expect(await daemon.request('metrics')).toMatch(/^sojourn_store_writable 0$/m);
    expect(await reports(daemon)).toContain('store-write-failed');
  }
}

async function expectRecovered(): Promise<void> {
  for (const daemon of [journey.homeAgent, journey.mobileNode]) {
    await waitFor(async () => (await faultOf(daemon)) === undefined, {
      timeoutMs: 70_000,
      what: `${daemon.name} to write its store`,
      intervalMs: 100,
    });
    expect(await daemon.request('metrics')).toMatch(/^sojourn_store_writable 1$/m);
    expect(await reports(daemon)).toContain('store-recovered');
  }
}

async function reports(daemon: DaemonProcess): Promise<readonly string[]> {
  const log = await run(['cat', daemon.logFile]);
  return log.split('\n').flatMap((line) => {
    if (!line.includes('"event"')) return [];
    return [String(parseObject(line)?.['event'])];
  });
}

/** The binding survives a crash of the home agent, so it is in the store. */
async function expectStored(): Promise<void> {
  const binding = await journey.binding();
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  expect(await journey.binding()).toEqual(binding);
  await works('nat-prc');
}

test('starts with a full disk, says so, and stores everything once there is space', async () => {
  await fill();
  await start();
  await expectLoud();
  await journey.moveTo('nat-prc');
  await works('nat-prc');
  rmSync(`${DISK}/filler`);
  await expectRecovered();
  await expectStored();
});

test('starts with a read-only disk and knows the state that is on it', async () => {
  await start();
  const binding = await journey.binding();
  await journey.homeAgent.kill();
  await journey.mobileNode.kill();
  await readOnly();
  await journey.homeAgent.start();
  expect(await journey.binding()).toEqual(binding);
  await journey.startMobileNode();
  await works('ar6');
  await expectLoud();
  await journey.moveTo('nat-prc');
  await works('nat-prc');
  await writable();
  await expectRecovered();
  await expectStored();
});

test('continues when the disk becomes full while it runs', async () => {
  await start();
  await fill();
  await journey.moveTo('nat-prc');
  await works('nat-prc');
  await journey.mobileNode.request('reregister');
  await expectLoud();
  rmSync(`${DISK}/filler`);
  await expectRecovered();
  await expectStored();
});

test('sets damaged files aside and starts', async () => {
  await start();
  await journey.homeAgent.kill();
  await journey.mobileNode.kill();
  await shell(
    `cd ${DISK}/state; rm *-wal *-shm; for file in ha mn; do printf %9000s x > $file.sqlite; done`,
  );
  await journey.homeAgent.start();
  await journey.startMobileNode();
  await works('ar6');
  await shell(`ls ${DISK}/state/ha.sqlite.damaged ${DISK}/state/mn.sqlite.damaged`);
  await journey.moveTo('nat-prc');
  await expectStored();
});
