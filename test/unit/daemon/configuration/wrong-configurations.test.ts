/**
 * What an operator is told of each wrong configuration, by the real daemons: the message that is
 * written in it, and exit code 78.
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

function run(program: string, ...parameters: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  execFile(
    process.execPath,
    [join(REPOSITORY, program), ...parameters],
    { cwd: directory },
    (error, stdout, stderr) =>
      resolve({
        code: error === null ? 0 : error.code,
        stdout,
        stderr: stderr.replaceAll(`${directory}/`, '<directory>/'),
      }),
  );
  return promise;
}

describe('wrong configurations', () => {
  it('are many, of every daemon, and one fault of a key or of a file each', () => {
    expect(WRONG.length).toBeGreaterThanOrEqual(30);
    expect([...new Set(WRONG.map(({ role }) => role))]).toEqual(roles());
    expect(WRONG.filter(({ says }) => says.length === 0).map(({ file }) => file)).toEqual([]);
  });
});

describe.concurrent('a daemon is told to check', () => {
  it.each(WRONG.map((wrong) => [wrong.file, wrong] as const))(
    '%s',
    async (file, { role, says }) => {
      const { code, stdout, stderr } = await run(
        `daemons/${role}/main.ts`,
        '--check',
        '--config',
        file,
      );
      expect([code, stdout, stderr.trimEnd().split('\n')]).toEqual([
        ExitCode.configuration,
        '',
        says,
      ]);
    },
  );
});

describe.concurrent('a daemon is started', () => {
  it.each(roles())(
    'with a wrong configuration of %s: it says the same, and touches nothing',
    async (role) => {
      const wrong =
        WRONG.find((one) => one.role === role && existsSync(join(directory, `${one.file}.d`))) ??
        WRONG.find((one) => one.role === role);
      const { code, stdout, stderr } = await run(
        `daemons/${role}/main.ts`,
        '--config',
        wrong?.file ?? '',
      );
      expect([code, stdout, stderr.trimEnd().split('\n')]).toEqual([
        ExitCode.configuration,
        '',
        wrong?.says,
      ]);
    },
  );
});

describe('sojourn check', () => {
  it('says it as JSON, with the place of each fault', async () => {
    const file = 'mn-faults-in-two-drop-ins.yaml';
    const { code, stdout, stderr } = await run('src/cli/cli.ts', '--json', 'check', 'mn', file);
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

  it('looks where configurations are by custom', async () => {
    const { code, stderr } = await run('src/cli/cli.ts', 'check', 'ha');
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
  it('shows the messages about each wrong configuration', () => {
    // Long lines are wrapped there.
    const page = readFileSync(
      join(REPOSITORY, 'docs/reference/configuration.md'),
      'utf8',
    ).replaceAll('\n    ', ' ');
    expect(WRONG.flatMap(({ says }) => says).filter((line) => !page.includes(line))).toEqual([]);
  });
});
