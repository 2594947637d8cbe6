/** An account server on the loopback interface of this lab, and its operator's commands. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'vitest';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonObject, parseJson } from '#daemon/control/json-lines.ts';
import { DaemonProcess, type ProcessSpawner } from '#lab/daemons.ts';
import { LAB_DIRECTORY, requireLab } from '#lab/enter.ts';
import { attempt, Background, type Finished } from '#lab/shell.ts';
import { fetchCertificate, PASSWORD, secrets } from './account-client.ts';

const CLI = new URL('../../../../src/cli/cli.ts', import.meta.url).pathname;
const LOGS = `${LAB_DIRECTORY}/as-logs`;
export const STATE = `${LAB_DIRECTORY}/as-state`;
export const COORDINATOR = Buffer.alloc(32, 9).toString('base64');

export const CONFIGURATION = {
  daemon: { stateDirectory: STATE, logLevel: 'debug' },
  zone: 'nodes.example',
  systemPrefix: 'fd12:3456:789a::/48',
  directionCoordinators: [
    {
      name: 'dc.example',
      publicKey: `base64:${COORDINATOR}`,
      endpoints: ['192.0.2.1', '[2001:db8::1]:7891'],
    },
  ],
  certificate: { names: ['as.example', '::1', '127.0.0.1'] },
  hashing: { costLog2: 12 },
  limits: {
    source: { perMinute: 100_000, burst: 100_000 },
    account: { perMinute: 1000, burst: 1000 },
    system: { perMinute: 100_000, burst: 100_000 },
  },
};

const spawner: ProcessSpawner = {
  spawn: (_namespace, argv, { logName = 'as', ...options }) =>
    new Background(argv, { ...options, logFile: `${LOGS}/${logName}.log` }),
};

/**
 * Starts a new server without the state of an earlier one, with the accounts alice (with a
 * password) and bob (without).
 */
export async function startAccountServer(): Promise<DaemonProcess> {
  requireLab();
  for (const directory of [STATE, LOGS]) rmSync(directory, { recursive: true, force: true });
  const server = new DaemonProcess(spawner, 'as', '', CONFIGURATION);
  await server.start();
  await fetchCertificate();
  await operate(['as', 'account', 'add', 'alice', '--group', 'staff', 'lab'], `${PASSWORD}\n`);
  await operate(['as', 'account', 'add', 'bob', '--no-password']);
  return server;
}

export async function sojourn(parameters: readonly string[], input?: string): Promise<Finished> {
  return await attempt([process.execPath, CLI, '--json', ...parameters], {
    timeoutMs: 60_000,
    input,
  });
}

/** Runs a command that must succeed; returns its answer. */
export async function operate(parameters: readonly string[], input?: string): Promise<JsonValue> {
  const { code, stdout, stderr } = await sojourn(parameters, input);
  expect([code, stderr]).toEqual([0, '']);
  return parseJson(stdout) ?? null;
}

export async function enrolmentToken(account: string): Promise<string> {
  const made = await operate(['as', 'account', 'token', account]);
  const token = isJsonObject(made) ? String(made['token']) : '';
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  secrets.add(token);
  return token;
}

export async function statsOf(server: DaemonProcess): Promise<JsonObject> {
  const value = await server.request('stats');
  return isJsonObject(value) ? value : {};
}

/** Expects that no secret that was sent or received is in the logs or in the store. */
export function expectNoSecrets(): void {
  const keys = readdirSync(STATE).filter((name) => /^as\..*\.key$/.test(name));
  for (const name of keys)
    secrets.add(readFileSync(`${STATE}/${name}`, 'utf8').trim().slice('hex:'.length));
  expect(secrets.size).toBeGreaterThan(8);
  const logs = readdirSync(LOGS).map((name) => readFileSync(`${LOGS}/${name}`, 'utf8'));
  expect(logs.join('').split('login-granted').length).toBeGreaterThan(4);
  const store = ['as.sqlite', 'as.sqlite-wal']
    .map((name) => `${STATE}/${name}`)
    .filter(existsSync)
    .map((file) => readFileSync(file, 'latin1'));
  for (const secret of secrets) {
    const leaks = [...logs, ...store].filter((text) => text.includes(secret));
    expect(leaks.length, `files with ${secret}`).toBe(0);
  }
}
