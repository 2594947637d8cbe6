/**
 * The faults that the real daemons print for each wrong configuration: the text that is written in
 * the file, and exit code 78.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ExitCode } from '#daemon/exit-codes.ts';
import { roles } from '#docs/generator/daemons.ts';
import { installConfigurations, wrongConfigurations } from './wrong-configurations.ts';

const REPOSITORY = join(import.meta.dirname, '../../../..');
const WRONG = wrongConfigurations();

const directory = mkdtempSync(join(tmpdir(), 'sojourn-wrong-'));
installConfigurations(directory);
afterAll(() => rmSync(directory, { recursive: true }));

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the folder of the daemon's configurations. */
function run(role: string, program: string, ...parameters: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const cwd = join(directory, role);
  execFile(
    process.execPath,
    [join(REPOSITORY, program), ...parameters],
    { cwd },
    (error, stdout, stderr) =>
      resolve({
        code: error === null ? 0 : error.code,
        stdout,
        stderr: stderr.replaceAll(`${cwd}/`, '<directory>/'),
      }),
  );
  return promise;
}

describe('the wrong configurations', () => {
  it('cover every daemon and state the expected faults', () => {
    expect(WRONG.length).toBeGreaterThanOrEqual(30);
    expect([...new Set(WRONG.map(({ role }) => role))]).toEqual(roles());
    expect(WRONG.filter(({ faults }) => faults.length === 0).map(({ file }) => file)).toEqual([]);
  });
});

describe.concurrent('a daemon with --check', () => {
  it.each(WRONG.map((wrong) => [wrong.role, wrong.file, wrong] as const))(
    'prints the faults of %s/%s',
    async (role, file, { faults }) => {
      const main = `daemons/${role}/main.ts`;
      const { code, stdout, stderr } = await run(role, main, '--check', '--config', file);
      expect([code, stdout, stderr.trimEnd().split('\n')]).toEqual([
        ExitCode.configuration,
        '',
        faults,
      ]);
    },
  );
});

describe.concurrent('a daemon that starts', () => {
  it.each(roles())(
    'prints the faults of a wrong configuration of %s and touches nothing',
    async (role) => {
      const ofRole = WRONG.filter((one) => one.role === role);
      const wrong =
        ofRole.find(({ file }) => existsSync(join(directory, role, `${file}.d`))) ?? ofRole[0];
      const main = `daemons/${role}/main.ts`;
      const { code, stdout, stderr } = await run(role, main, '--config', wrong?.file ?? '');
      expect([code, stdout, stderr.trimEnd().split('\n')]).toEqual([
        ExitCode.configuration,
        '',
        wrong?.faults,
      ]);
    },
  );
});

describe('sojourn check', () => {
  it('prints JSON with the position of each fault', async () => {
    const file = 'faults-in-two-drop-ins.yaml';
    const command = ['--json', 'check', 'mn', file];
    const { code, stdout, stderr } = await run('mn', 'src/cli/cli.ts', ...command);
    expect([code, stderr, JSON.parse(stdout)]).toMatchObject([
      ExitCode.configuration,
      '',
      {
        ...{ file, ok: false, warnings: [] },
        faults: [
          {
            ...{ file: `${file}.d/10-local.yaml`, line: 1, column: 18, path: 'lifetimeSeconds' },
            ...{ message: 'must be at least 4, not 1', remedy: '' },
          },
          {
            file: `${file}.d/20-site.yaml`,
            line: 2,
            column: 13,
            path: 'daemon.logLevel',
            remedy: 'did you mean "debug"?',
          },
          { file: `${file}.d/20-site.yaml`, line: 3, column: 10, path: 'udpPort' },
        ],
      },
    ]);
  });

  it('reads /etc/sojourn/<daemon>.yaml by default', async () => {
    const { code, stderr } = await run('ha', 'src/cli/cli.ts', 'check', 'ha');
    // Unless this host has one.
    if (!existsSync('/etc/sojourn/ha.yaml')) {
      expect([code, stderr]).toEqual([
        ExitCode.configuration,
        expect.stringContaining('/etc/sojourn/ha.yaml:1:1: cannot be read'),
      ]);
    }
  });
});

describe('docs/reference/configuration.md', () => {
  it('shows the faults of each wrong configuration', () => {
    // Long lines are wrapped there.
    const page = readFileSync(
      join(REPOSITORY, 'docs/reference/configuration.md'),
      'utf8',
    ).replaceAll('\n    ', ' ');
    expect(WRONG.flatMap(({ faults }) => faults).filter((line) => !page.includes(line))).toEqual(
      [],
    );
  });
});
