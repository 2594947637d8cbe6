import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';

/**
 * A mobile router on a host with devices that have no IPv6, because their MTU is below 1280 (gre0
 * and tunl0 have none either). They are there from the start, appear later, and get IPv6 at last.
 */

const SETTINGS = '/proc/sys/net/ipv6/conf';

let journey: Journey;

async function onRouter(script: string): Promise<string> {
  return await journey.lab.exec('mr', ['sh', '-ec', script]);
}

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'], router: 'mr' });
  await onRouter(`
ip link add small0 mtu 1000 type veth peer name small1 mtu 1000
ip link set small0 up
ip tuntap add dev early0 mode tun
ip link set early0 mtu 1200
ip link set early0 up`);
  await journey.start('ar6');
});
afterAll(async () => await journey?.close());

/** What the kernel refused so far, by the log and by the status. */
async function refusals(): Promise<unknown> {
  const { host } = objectOf(await journey.mobileNode.request('status'));
  const logged = readFileSync(journey.mobileNode.logFile, 'utf8').match(/kernel-refused.*/g);
  return [objectOf(host)['pending'], logged ?? []];
}

async function settingOf(device: string, name: string): Promise<string> {
  return (await onRouter(`cat ${SETTINGS}/${device}/${name}`)).trim();
}

test('devices without IPv6 are skipped, at the start as well as later', async () => {
  expect(await onRouter(`ls ${SETTINGS}`)).not.toMatch(/small|early/);
  expect(await refusals()).toEqual([[], []]);
  await onRouter(`
ip link add later0 mtu 1000 type veth peer name later1 mtu 1000
ip link add later2 mtu 1000 type bridge
ip link set later1 master later2
ip link set later0 up
ip link set later2 up
ip link add last0 type veth peer name last1`);
  await waitFor(async () => (await settingOf('last0', 'accept_ra')) === '2', {
    timeoutMs: 5_000,
    what: 'the settings of a device with IPv6 that came last',
  });
  expect(await refusals()).toEqual([[], []]);
});

test('a device gets its settings when it gets IPv6, each time', async () => {
  for (let time = 0; time < 2; time++) {
    await onRouter('ip link set small0 mtu 1500');
    await waitFor(async () => (await settingOf('small0', 'accept_ra')) === '2', {
      timeoutMs: 5_000,
      what: 'accept_ra of the device',
    });
    await onRouter('ip link set small0 mtu 1000');
  }
  expect(await refusals()).toEqual([[], []]);
});

test('the router stops without an error when such a device has vanished', async () => {
  await onRouter('ip link delete small0; ip link delete early0');
  expect(await journey.mobileNode.stop()).toBe(0);
  expect(readFileSync(journey.mobileNode.logFile, 'utf8')).not.toContain('stop-failure');
});
