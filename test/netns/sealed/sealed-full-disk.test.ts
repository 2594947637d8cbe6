import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { homeAgentConfiguration, mobileNodeConfiguration } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { run, waitFor } from '#lab/shell.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

/**
 * The home agent's disk is full when a node that has lost its keys comes home: the handshake with
 * its de-registration waits for the disk.
 */

const DISK = `${LAB_DIRECTORY}/sealed-disk`;
const OPTIONS = { sealed: true };

let journey: Journey;

const shell = (script: string): Promise<string> => run(['sh', '-ec', script]);

beforeAll(async () => {
  await shell(`mkdir -p ${DISK}; mount -t tmpfs -o size=512k tmpfs ${DISK}`);
  journey = await Journey.create({ networks: ['ar6'], daemons: OPTIONS });
  const daemon = { name: 'ha', stateDirectory: `${DISK}/state` };
  await shell(`mkdir ${daemon.stateDirectory}`);
  journey.homeAgent.configure({ ...homeAgentConfiguration(OPTIONS), daemon });
  const node = mobileNodeConfiguration(OPTIONS);
  const [home] = Object(node).homes;
  const homes = [{ ...home, publicKey: daemonPublicKey(daemon) }];
  journey.mobileNode.configure({ ...node, homes });
});
afterAll(async () => {
  await journey?.close();
  await shell(`umount -l ${DISK}; rmdir ${DISK}`);
});

test('A home agent with a full disk sends no Tunnel Response to the home link', async () => {
  const { lab, homeAgent, mobileNode } = journey;
  await journey.start('ar6');
  await mobileNode.kill();
  await lab.unplug('mn');
  await shell(`! dd if=/dev/zero of=${DISK}/filler bs=4k 2>/dev/null`);
  await lab.move('mn', 'home');
  await lab.waitForAddress('mn', 6);
  const file = `${lab.logDirectory}/full-disk.pcap`;
  const capture = await lab.capture('mn', 'eth0', file);
  await journey.startMobileNode();
  const unsent = async () =>
    Number(objectOf(objectOf(await homeAgent.request('status'))['driver'])['unstored'] ?? 0);
  await waitFor(async () => (await unsent()) >= 2, {
    ...{ timeoutMs: 20_000, what: 'responses that wait for the disk' },
  });
  await capture.stop();
  const datagrams = await dissect(file, 'udp.port == 4191', ['udp.payload']);
  const types = new Set(datagrams.map((fields) => fields('udp.payload').slice(0, 1)));
  expect([...types]).toEqual(['a']);
  expect(await journey.home()).not.toMatchObject({ phase: 'at-home' });
  rmSync(`${DISK}/filler`);
  await journey.settled('home');
  expect(await journey.binding()).toBeUndefined();
});
