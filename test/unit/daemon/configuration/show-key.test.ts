/**
 * `--show-key`: daemons print their public keys before any of them is completely configured.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicKeyField } from '#daemon/configuration/ntmobile-fields.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-show-key-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function show(role: string, configuration: string) {
  const file = join(directory, `${role}.yaml`);
  writeFileSync(file, configuration);
  const main = new URL(`../../../../daemons/${role}/main.ts`, import.meta.url).pathname;
  return spawnSync(process.execPath, [main, '--show-key', '--config', file], { encoding: 'utf8' });
}

const keyFiles = (): readonly string[] =>
  readdirSync(directory).filter((name) => name.endsWith('.key'));

describe.each([
  ['as', 'here.authority.key'],
  ['dc', 'here.key'],
  ['rsn', 'here.key'],
])('sojourn-%s', (role, keyFile) => {
  it('prints the same key each time, even with an incomplete configuration', () => {
    const configuration = `daemon: { name: here, stateDirectory: ${directory} }\nauthorities: []\n`;
    const first = show(role, configuration);
    expect(first).toMatchObject({ status: ExitCode.ok, stderr: '' });
    expect(publicKeyField().safeParse(first.stdout.trim()).success).toBe(true);
    expect(show(role, configuration).stdout).toBe(first.stdout);
    expect(keyFiles()).toEqual([keyFile]);
    expect(statSync(join(directory, keyFile)).mode & 0o777).toBe(0o600);
  });

  it('prints no key if the daemon section is wrong', () => {
    expect(show(role, `daemon: { name: Here, stateDirectory: ${directory} }\n`)).toMatchObject({
      ...{ status: ExitCode.configuration, stdout: '' },
      stderr: expect.stringContaining('daemon.name: must be'),
    });
    expect(keyFiles()).toEqual([]);
  });

  it('reports a broken key file on standard error', () => {
    writeFileSync(join(directory, keyFile), 'no key\n', { mode: 0o600 });
    const { status, stdout, stderr } = show(
      role,
      `daemon: { name: here, stateDirectory: ${directory} }\n`,
    );
    expect([status, stdout]).toEqual([ExitCode.unavailable, '']);
    expect(stderr).toContain('does not contain a secret of 32 octets (restore it from a backup)');
  });

  it('refuses a key file that other users can read, with the command that corrects it', () => {
    const file = join(directory, keyFile);
    writeFileSync(file, `hex:${'5a'.repeat(32)}\n`, { mode: 0o644 });
    const { status, stderr } = show(role, `daemon: { name: here, stateDirectory: ${directory} }\n`);
    expect(status).toBe(ExitCode.permission);
    expect(stderr).toContain(`${file} is readable by other users (chmod 600 ${file})`);
  });
});
