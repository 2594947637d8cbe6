import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { inLab } from '#lab/enter.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { AS_NOBODY, commandLines, mayBecomeNobody } from '#test/netns/helpers/processes.ts';

/** Entry to the lab: output, exit codes, and clean-up. These labs are nested in the tests' lab. */

const ENTER = new URL('../../../lab/enter.ts', import.meta.url).pathname;
const PROBE = new URL('../../../lab/nat-probe.ts', import.meta.url).pathname;

async function enter(...argv: readonly string[]): Promise<Finished> {
  return await attempt([process.execPath, ENTER, '--', ...argv]);
}

function isRunning(commandLine: string): boolean {
  return [...commandLines().values()].includes(commandLine);
}

describe('lab/enter.ts', () => {
  test('returns the exit code of the command, of a signal and of a missing command', async () => {
    expect(inLab()).toBe(true);
    expect((await enter('sh', '-c', 'exit 7')).code).toBe(7);
    expect((await enter('sh', '-c', 'kill -TERM $$')).code).toBe(143);
    expect((await enter('no-such-command')).code).toBe(127);
    expect((await attempt([process.execPath, ENTER])).code).toBe(64);
  });

  test('offers only a loopback interface, own processes and a private /run inside', async () => {
    const { stdout, code } = await enter(
      'sh',
      '-c',
      'ls /run/netns; cat /proc/1/comm; ip -o link | wc -l; cat /etc/resolv.conf',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('perl\n1\n');
    expect(stdout).toContain('nameserver 2001:db8:f::53');
    expect(stdout).not.toContain('core');
  });

  test('reaps orphans', async () => {
    const script = `(sh -c 'true' & exec sh -c 'exit 0') & wait
      for i in 1 2 3 4 5; do (setsid sh -c 'true' &) ; done
      for attempt in $(seq 200); do
        zombies=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z ')
        [ "$zombies" = 0 ] && [ "$attempt" -gt 5 ] && exit 0
      done
      exit 1`;
    expect((await enter('sh', '-c', script)).code).toBe(0);
  });

  test('delivers SIGTERM and SIGINT to the command once and waits for its end', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const script =
        `let n = 0; process.on('${signal}', () => { n += 1; setTimeout(() => process.exit(40 + ` +
        `n), 50); }); setInterval(() => {}, 1000); console.log('up')`;
      const child = spawn(process.execPath, [ENTER, '--', process.execPath, '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.kill(signal);
      const [code] = await once(child, 'exit');
      expect(code, signal).toBe(41);
    }
  });

  test('ends every process inside on kill -9 of the outer process', async () => {
    const child = spawn(process.execPath, [
      ENTER,
      '--',
      'sh',
      '-c',
      '(setsid sleep 4711 &); echo up; exec sleep 4712',
    ]);
    await once(child.stdout, 'data');
    await waitFor(() => isRunning('sleep 4711') && isRunning('sleep 4712'), {
      timeoutMs: 5_000,
      what: 'both to run',
    });
    child.kill('SIGKILL');
    await waitFor(() => !isRunning('sleep 4711') && !isRunning('sleep 4712'), {
      timeoutMs: 5_000,
      what: 'both to end',
    });
    expect([...commandLines().values()].filter((line) => line.includes('sleep 471'))).toEqual([]);
  });

  test('ends processes that the command leaves running', async () => {
    expect((await enter('sh', '-c', '(setsid sleep 4713 &); exit 3')).code).toBe(3);
    await waitFor(() => !isRunning('sleep 4713'), { timeoutMs: 5_000, what: 'the orphan to end' });
  });

  test.runIf(mayBecomeNobody())(
    'gives an ordinary user a lab with services, moves and translators',
    async () => {
      const main = PROBE.replace('nat-probe.ts', 'main.ts');
      const chosen = ['--networks', 'ar6,nat-prc', '--mobile-routers', 'mr'];
      const selfTest = [
        process.execPath,
        ENTER,
        '--',
        process.execPath,
        main,
        'selftest',
        ...chosen,
      ];
      const { stdout, stderr, code } = await attempt([...AS_NOBODY, ...selfTest]);
      expect(code, stdout + stderr).toBe(0);
      expect(stdout.match(/^ok /gm)).toHaveLength(4);
    },
  );
});
