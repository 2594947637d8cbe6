/**
 * Home agent and node from nothing, by the commands of the quickstart: no configuration, no key and
 * no address is written by hand.
 *
 *   mn -- ar6, nat-prc -- core -- home (home agent)
 *                          |
 *                          cn
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parsePrefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { ask } from '#daemon/control/control-client.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { CLEAR_TEXT_SNAP_LENGTH, findClearText } from '#lab/clear-text.ts';
import { PAYLOAD_MARKER } from '#lab/demo/digested-file.ts';
import { Pinger } from '#lab/demo/pinger.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

const CLI = [process.execPath, new URL('../../../src/cli/cli.ts', import.meta.url).pathname];
const DIRECTORY = `${LAB_DIRECTORY}/first-steps`;
const HOME_AGENT_FILES = ['--config', `${DIRECTORY}/ha.yaml`, '--state-directory', DIRECTORY];
const NODE_FILES = ['--config', `${DIRECTORY}/mn.yaml`, '--state-directory', DIRECTORY];
const NETWORKS = ['ar6', 'nat-prc'] as const;

let lab: Lab;
/** Every command of Sojourn that was entered. */
const entered: (readonly string[])[] = [];

beforeAll(async () => {
  lab = await Lab.create({ networks: NETWORKS });
  await lab.move('mn', 'ar6');
  await lab.waitForAddress('mn', 6);
});
afterAll(async () => await lab?.close());

function enter(namespace: string, ...parameters: readonly string[]): Background {
  entered.push(parameters);
  return lab.spawn(namespace, [...CLI, ...parameters]);
}

async function lineOf(homeAgent: Background): Promise<string> {
  return await waitFor(() => /SOJOURN:[A-Z0-9]+/.exec(homeAgent.output())?.[0], {
    timeoutMs: 30_000,
    what: 'the enrolment line',
  }).catch((cause: unknown) => {
    throw new Error(homeAgent.output(), { cause });
  });
}

async function home() {
  const { value } = await ask('/run/sojourn/mn.sock', 'status', {});
  return objectsOf(objectOf(value)['homes'])[0] ?? {};
}

async function registered(): Promise<JsonObject> {
  const state = async (): Promise<JsonObject> =>
    await home().catch(() => ({ phase: 'not started' }));
  return await waitFor(
    async () => {
      const present = await state();
      return present['phase'] === 'registered' ? present : undefined;
    },
    { timeoutMs: 30_000, what: 'the registration' },
  );
}

/** Captures the network while the correspondent and the node talk; resolves with the clear text. */
async function talkIn(network: NetworkName, addresses: readonly string[], from: string) {
  const file = `${DIRECTORY}/${network}.pcap`;
  await using capture = await lab.capture(network, 'lan', file, CLEAR_TEXT_SNAP_LENGTH);
  using inwards = new Pinger(from, addresses[0] ?? '', 20);
  using outwards = new Pinger('mn', ADDRESSES.correspondentIpv4, 20);
  await waitFor(() => inwards.received > 5 && outwards.received > 5, {
    timeoutMs: 15_000,
    what: `answers in ${network}`,
  });
  await capture.stop();
  const correspondent = [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4];
  const inner = [...addresses, ...correspondent].map((text) => parsePrefix(text));
  return findClearText(file, {
    inner: inner.filter((prefix) => prefix !== undefined),
    marker: PAYLOAD_MARKER,
    port: 4191,
  });
}

describe('a home agent and a node from nothing', () => {
  let homeAgent: Background;
  let node: Background;

  test('need a first command, which the command that admits a node names', async () => {
    const { code, stderr } = await lab.attempt('home', [...CLI, 'enroll', 'add', 'laptop']);
    expect([code, stderr]).toEqual([
      ExitCode.unavailable,
      expect.stringContaining('sojourn setup ha --now'),
    ]);
  });

  test('register after two commands', async () => {
    expect([existsSync(`${DIRECTORY}/ha.yaml`), existsSync(`${DIRECTORY}/mn.yaml`)]).toEqual([
      false,
      false,
    ]);
    const prefix = ['--home-prefix', ADDRESSES.virtualHomePrefix];
    const first = ['setup', 'ha', ...prefix, '--enroll', 'laptop', '--run', ...HOME_AGENT_FILES];
    homeAgent = enter('home', ...first);
    const line = await lineOf(homeAgent);
    node = enter('mn', 'enroll', 'use', line, '--run', ...NODE_FILES);
    expect(await registered()).toMatchObject({ encrypted: true, cipher: 'AES-128-GCM' });
    expect(entered).toHaveLength(2);
  });

  test.each(NETWORKS)('talk encrypted in %s', async (network) => {
    if (lab.location('mn') !== network) {
      await lab.move('mn', network);
      await lab.waitForAddress('mn', 4);
      await waitFor(async () => /^192\.168\./.test(String((await registered())['careOfAddress'])), {
        timeoutMs: 15_000,
        what: 'the registration from behind the NAT',
      });
    }
    const { homeAddress, ipv4HomeAddress } = await registered();
    const addresses = [String(homeAddress), String(ipv4HomeAddress)];
    const shown = await talkIn(network, addresses, 'cn');
    expect(shown).toMatchObject({ clear: 0, first: undefined });
    expect(shown.sealed).toBeGreaterThan(20);
  });

  test('translates IPv4, which is not routed to the home agent, to its address', async () => {
    const { ipv4HomeAddress } = await registered();
    expect(ipv4HomeAddress).toMatch(/^10\.\d+\.\d+\.\d+$/);
    const configuration: unknown = parse(readFileSync(`${DIRECTORY}/ha.yaml`, 'utf8'));
    expect(configuration).toMatchObject({ internet: 'nat', addresses: [expect.any(String)] });
  });

  test('keeps an existing configuration of the home agent', async () => {
    const { code, stderr } = await lab.attempt('home', [
      ...[...CLI, 'setup', 'ha', ...HOME_AGENT_FILES],
    ]);
    expect([code, stderr]).toEqual([ExitCode.negative, expect.stringContaining('--force')]);
  });

  test('ends both daemons by the signal that their commands get', async () => {
    expect((await node.stop('SIGTERM', 8_000)).code).toBe(0);
    expect((await homeAgent.stop('SIGTERM', 8_000)).code).toBe(0);
    expect(existsSync('/run/sojourn/ha.sock')).toBe(false);
    expect(existsSync('/run/sojourn/mn.sock')).toBe(false);
  });

  test('says that nodes elsewhere cannot reach a host with private addresses only', async () => {
    const where = ['--config', `${DIRECTORY}/private.yaml`, '--state-directory', DIRECTORY];
    const { code, stdout } = await lab.attempt('mn', [...CLI, 'setup', 'ha', ...where]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/private addresses only.*--address/)]);
    const given = ['--address', '192.168.1.1', '--force', ...where];
    const again = await lab.attempt('mn', [...CLI, 'setup', 'ha', ...given]);
    expect([again.code, again.stdout]).toEqual([0, expect.not.stringContaining('addresses only')]);
  });
});

test('a home agent with one IPv4 address is the way to the internet', async () => {
  const directory = `${DIRECTORY}/one-address`;
  const files = (name: string) => ['--config', `${directory}/${name}.yaml`];
  const first = ['--address', ADDRESSES.homeAgentIpv4, '--enroll', 'phone', '--run'];
  const state = ['--state-directory', directory];
  const homeAgent = enter('home', 'setup', 'ha', ...first, ...files('ha'), ...state);
  const line = await lineOf(homeAgent);
  const node = enter('mn', 'enroll', 'use', line, '--run', ...files('mn'), ...state);
  expect(await registered()).toMatchObject({
    encrypted: true,
    homeAddress: expect.stringMatching(/^fd/),
  });
  for (const address of [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4]) {
    const argv = ['ping', '-n', '-c', '1', '-W', '1', address];
    await waitFor(async () => (await lab.attempt('mn', argv)).code === 0, {
      timeoutMs: 15_000,
      what: `an answer of ${address}`,
    });
  }
  await node.stop('SIGTERM', 8_000);
  await homeAgent.stop('SIGTERM', 8_000);
});

describe('a home agent that its command runs beside itself', () => {
  const state = ['--state-directory', `${DIRECTORY}/beside`];
  const file = `${DIRECTORY}/beside/ha.yaml`;
  const first = ['setup', 'ha', '--force', '--config', file, ...state, '--run', '--enroll'];

  /** In a process group of its own, as a shell starts it. */
  async function run(name: string): Promise<Background> {
    const command = lab.spawn('home', ['setsid', ...CLI, ...first, name]);
    await lineOf(command);
    return command;
  }

  const isGone = async (): Promise<void> => {
    await waitFor(() => !existsSync('/run/sojourn/ha.sock'), {
      timeoutMs: 8_000,
      what: 'the home agent to end',
    });
  };

  test('ends in an orderly way at Ctrl-C, which signals the whole process group', async () => {
    const command = await run('pad');
    process.kill(-command.pid, 'SIGINT');
    expect(await command.exited).toMatchObject({ code: 0, signal: null });
    expect(existsSync('/run/sojourn/ha.sock')).toBe(false);
    expect(command.output()).toContain('stopped');
  });

  test('ends when its command is killed', async () => {
    const command = await run('phone');
    command.kill('SIGKILL');
    await isGone();
  });

  test('leaves standard output to one JSON document', async () => {
    const argv = ['sh', '-c', 'exec "$@" 2> /dev/null', 'sh', ...CLI, ...first, 'watch', '--json'];
    const command = lab.spawn('home', argv);
    const line = await lineOf(command);
    await command.stop('SIGTERM', 8_000);
    const document: unknown = JSON.parse(command.output());
    expect(document).toMatchObject({ file, enrolment: { name: 'watch', line } });
  });
});
