/**
 * Runs every command of docs/get-started/quickstart.md, compares the outputs that it shows, and
 * judges captures of the links of its mobile node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import { CLEAR_TEXT_SNAP_LENGTH, findClearText } from '#lab/clear-text.ts';
import { waitFor } from '#lab/shell.ts';
import { missingLines, PageShell, type Step, stepsOf } from '#test/netns/helpers/followed-page.ts';
import { mayBecomeNobody } from '#test/netns/helpers/processes.ts';

const REPOSITORY = new URL('../../..', import.meta.url).pathname;
const PAGE = `${REPOSITORY}docs/get-started/quickstart.md`;
const NOTES = '/run/quickstart';
/** Files that the page writes on the machine go to a tmpfs. */
const SET_UP = `
for place in etc usr/local var/lib; do
  mkdir -p ${NOTES}/$place/upper ${NOTES}/$place/work
  layers=upperdir=${NOTES}/$place/upper,workdir=${NOTES}/$place/work
  mount -t overlay overlay -o lowerdir=/$place,$layers /$place
done`;
const TIMEOUT_MS = 120_000;
/** The links of the mobile node, at their router. */
const LINKS = ['cable', 'cafe'] as const;
/** The home networks, and what `ping` of iputils counts up in its payload. */
const INNER = ['2001:db8:1:100::/64', '198.51.100.0/24'].map((text) => parsePrefix(text));
const PAYLOAD = Uint8Array.from({ length: 16 }, (_, at) => 16 + at);

const steps = stepsOf(readFileSync(PAGE, 'utf8'));
let shell: PageShell | undefined;

/** The page starts with a build, which must be up to date here, because the tests build nothing. */
function requireBuild(): void {
  const [installed, required] = ['node_modules/.package-lock.json', 'package.json'].map((name) =>
    statSync(`${REPOSITORY}${name}`),
  );
  const packages = (installed?.mtimeMs ?? 0) >= (required?.mtimeMs ?? 0);
  if (packages && spawnSync('make', ['-q', '-C', `${REPOSITORY}native`]).status === 0) return;
  throw new Error('run "npm run build" first');
}

const namesInRun = () => ({
  namespaces: readdirSync('/run/netns'),
  sockets: readdirSync('/run/sojourn'),
});

/** Repeats the commands until they show the expected output, as an operator would. */
async function follow({ commands, expected }: Step): Promise<void> {
  if (shell === undefined) throw new Error('no shell');
  const page = shell;
  if (expected.length === 0) {
    const { output, failed } = await page.run(commands);
    expect(failed, output).toBe('');
    return;
  }
  let last = '';
  const shown = async (): Promise<boolean> => {
    const { output, failed } = await page.run(commands);
    const missing = missingLines(expected, output);
    last = `${[...missing, failed].join('\n')}\n--- in\n${output}`;
    return failed === '' && missing.length === 0;
  };
  await waitFor(shown, { timeoutMs: TIMEOUT_MS, what: commands, intervalMs: 100 }).catch(
    async (thrown: unknown) => {
      const logs = await page.run('tail -n 4 /run/sojourn-try/*.log\n');
      throw new Error(`${String(thrown)} to show\n${last}\n${logs.output}`);
    },
  );
}

const captureOf = (link: string): string => `${NOTES}/${link}.pcap`;

/** The captures are jobs of the shell, and end with the daemons of the page. */
async function startCaptures(): Promise<void> {
  const program = `${REPOSITORY}native/build/sojourn-capture`;
  const limit = `--snap-length ${CLEAR_TEXT_SNAP_LENGTH}`;
  const commands = LINKS.map(
    (link) =>
      `ip netns exec net ${program} --interface ${link} --file ${captureOf(link)} ${limit} ` +
      `> ${NOTES}/${link}.log &\n`,
  );
  const { failed, output } = (await shell?.run(commands.join(''))) ?? {};
  expect(failed, output).toBe('');
}

/** The commands of Sojourn until the first ping to the home address; questions do not count. */
function commandsUntilReachable(): readonly string[] {
  const commands = steps.map((step) => step.commands).join('');
  const until = commands.slice(0, commands.indexOf('ping -c 3 $HOME_ADDRESS'));
  const all = until.match(/(?<=exec \w+ |^)sojourn(?:-\w+)? .*/gm) ?? [];
  return all.filter((command) => !/ status\b/.test(command));
}

// The page needs root: a user namespace permits neither overlays nor "ip netns exec".
describe.runIf(mayBecomeNobody())('docs/get-started/quickstart.md', () => {
  let before: Readonly<Record<string, readonly string[]>> = {};

  beforeAll(() => {
    requireBuild();
    before = namesInRun();
    mkdirSync(NOTES, { recursive: true });
    shell = new PageShell(NOTES, REPOSITORY, SET_UP);
  });
  afterAll(async () => await shell?.[Symbol.asyncDispose]());

  test('contains commands and outputs', () => {
    expect(steps.length).toBeGreaterThan(25);
    expect(steps.filter(({ expected }) => expected.length > 0).length).toBeGreaterThan(10);
  });

  test('connects both hosts by two commands of Sojourn', () => {
    expect(commandsUntilReachable()).toEqual([
      expect.stringMatching(/^sojourn setup ha /),
      expect.stringMatching(/^sojourn enroll use /),
    ]);
  });

  test.each([...Map.groupBy(steps, ({ section }) => section)])('%s', async (section, ofSection) => {
    for (const step of ofSection) await follow(step);
    if (section === 'Network') await startCaptures();
  });

  test.each(LINKS)('shows no home address and no payload on the link %s', (link) => {
    const inner = INNER.filter((prefix) => prefix !== undefined);
    const shown = findClearText(captureOf(link), { inner, marker: PAYLOAD, port: 4191 });
    expect(shown).toMatchObject({ clear: 0, first: undefined });
    expect(shown.sealed).toBeGreaterThan(10);
  });

  test('leaves nothing on the host', () => {
    expect(namesInRun()).toEqual(before);
    expect(existsSync('/run/sojourn-try')).toBe(false);
  });
});
