import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { parseObject } from '#daemon/control/json-lines.ts';
import { attempt, waitFor } from '#lab/shell.ts';
import { objectsOf } from '#test/netns/helpers/journey.ts';
import { AS_NOBODY, commandLines } from '#test/netns/helpers/processes.ts';

/** `npm run demo`, in labs nested in the tests' lab: checks its success and its failure. */

const LAB = new URL('../../../lab/', import.meta.url).pathname;
const DEMO = [process.execPath, `${LAB}enter.ts`, '--', process.execPath, `${LAB}demo.ts`];

/** A running demo. */
function begin(...argv: readonly string[]) {
  const child = spawn(DEMO[0] ?? '', [...DEMO.slice(1), ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => lines.push(line));
  const untilPrinted = async (text: string): Promise<void> => {
    await waitFor(() => lines.some((line) => line.includes(text)), {
      timeoutMs: 60_000,
      what: `the demo to print '${text}'`,
    });
  };
  return { child, lines, untilPrinted };
}

describe('npm run demo', () => {
  test('lists all demos for --help and refuses an unknown one', async () => {
    const help = await attempt([...DEMO, '--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/^ +node .*default/m);
    expect(help.stdout).toMatch(/^ +nemo .*mobile router/m);
    expect(help.stdout).toMatch(/^ +plaintext .*clear/m);
    expect(help.stdout).toMatch(/^ +ntmobile .*IPv6-only server/m);
    expect((await attempt([...DEMO, 'neemo'])).code).toBe(64);
    expect((await attempt([...DEMO, '--hosts', 'netplan'])).code).toBe(64);
  });

  test.each([
    ['plaintext', 'kernel'],
    ['node', 'networkmanager'],
    ['nemo', 'networkd'],
  ])(
    '%s with hosts of kind %s: shows an ordinary user every handover without a broken connection',
    async (name, hosts) => {
      const argv = [...AS_NOBODY, ...DEMO, name, '--hosts', hosts, '--stay', '0', '--json'];
      const { stdout, stderr, code } = await attempt(argv, { timeoutMs: 120_000 });
      expect(code, stdout + stderr).toBe(0);
      const report = parseObject(stdout) ?? {};
      expect(report).toMatchObject({
        handovers: [
          'IPv6',
          'IPv4 public',
          'NAT, port-restricted',
          'NAT, symmetric',
          'two NATs',
          'dual stack',
          'home link',
        ].map((to) => ({
          to,
          lost6: expect.any(Number),
          lost4: expect.any(Number),
          stall6Ms: expect.any(Number),
        })),
        totals: { checksumsRight: true, resets: 0 },
        accessNetworks: Array.from({ length: 6 }, () =>
          name === 'plaintext'
            ? { sealed: 0, clear: expect.toSatisfy((clear: number) => clear > 20) }
            : // With --stay 0 the node can leave right behind the first datagrams.
              { sealed: expect.toSatisfy((sealed: number) => sealed > 0), clear: 0 },
        ),
      });
      const first = name === 'plaintext' ? 0 : 1;
      const handshakes = objectsOf(report['handovers']).map((handover) => handover['handshakes']);
      expect(handshakes).toEqual([first, 0, 0, 0, 0, 0, 0]);
    },
  );

  test('ntmobile: keeps connections over moves and no virtual address outside UDP', async () => {
    const { stdout, stderr, code } = await attempt([...DEMO, 'ntmobile', '--stay', '0', '--json'], {
      timeoutMs: 240_000,
    });
    expect(code, stdout + stderr).toBe(0);
    const report: unknown = JSON.parse(stdout);
    const pathStates = [
      'relayed',
      'direct',
      'relayed',
      'direct',
      'direct',
      'direct',
      'relayed',
      'direct',
    ];
    expect(report).toMatchObject({
      steps: pathStates.map((pathState) => ({
        pathState,
        flowed: true,
        stall6Ms: expect.any(Number),
        stall4Ms: expect.any(Number),
      })),
      totals: { checksumsRight: true, resets: 0 },
      links: expect.arrayContaining([
        expect.objectContaining({ link: 'mn eth0', leaked: 0, dropped: 0 }),
      ]),
      teredo: expect.toSatisfy((teredo: object) => 'move' in teredo || 'obstacle' in teredo),
    });
  });

  test('fails when a download breaks', async () => {
    const { child, lines, untilPrinted } = begin('nemo', '--stay', '0');
    await untilPrinted('→ NAT, port-restricted');
    const [curl] = [...commandLines()].find(([, line]) => line.startsWith('curl ')) ?? [];
    expect(curl).toBeTypeOf('number');
    process.kill(curl ?? 0, 'SIGKILL');
    const [code] = await once(child, 'exit');
    expect(code).toBe(1);
    expect(lines.join('\n')).toContain('demo: a download has ended');
  });

  test('ends on Ctrl-C and leaves no process or namespace', async () => {
    const before = commandLines();
    const { child, untilPrinted } = begin('nemo');
    await untilPrinted('→ IPv4 public');
    const during = [...commandLines().values()];
    for (const program of ['curl', 'ping', 'radvd', 'dnsmasq', `${process.execPath} ${LAB}demo.ts`])
      expect(during).toContainEqual(expect.stringContaining(program));
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    expect(code).toBe(130);
    const left = (): readonly string[] =>
      [...commandLines()].filter(([pid]) => !before.has(pid)).map(([, line]) => line);
    await waitFor(() => left().length === 0, { timeoutMs: 5_000, what: 'everything to end' }).catch(
      () => undefined,
    );
    expect(left()).toEqual([]);
  });
});
