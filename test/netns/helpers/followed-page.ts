/** A documentation page with commands and their output, and a shell that runs it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { searchPath } from '#lab/enter.ts';
import { waitFor } from '#lab/shell.ts';

/** A block of commands, and the output in the block that follows, if any. */
export interface Step {
  readonly section: string;
  readonly commands: string;
  readonly expected: readonly string[];
}

/** The ```sh and ```text blocks of a page, in order. */
export function stepsOf(page: string): readonly Step[] {
  const steps: Step[] = [];
  for (const [, section = '', kind, text = ''] of page.matchAll(
    /^## (.*)$|^```(sh|text)\n([\s\S]*?)^```$/gm,
  )) {
    const last = steps.at(-1);
    if (kind === undefined) steps.push({ section, commands: '', expected: [] });
    else if (kind === 'sh')
      steps.push({ section: last?.section ?? '', commands: text, expected: [] });
    else if (last !== undefined)
      steps.push({ ...steps.pop(), ...last, expected: text.trimEnd().split('\n') });
  }
  return steps.filter(({ commands }) => commands !== '');
}

const DURATION = String.raw`\d+(?:\.\d+)? (?:ms|s|min|h|d)\b`;

/**
 * A line with placeholders for the parts that differ in each run: times, addresses that are made
 * up, widths of columns, and whether the first keys of a node are post-quantum yet. A long ping may
 * lose the packets of a move.
 */
function normalized(line: string): string {
  return line
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z/, '<time>')
    .replaceAll(/\bfd12:3456:789a:[0-9a-f:]+/g, '<virtual>')
    .replaceAll(/\b2001:db8:1:100:[0-9a-f:]*[0-9a-f]/g, '<home>')
    .replace(', post-quantum)', ')')
    .replaceAll(/ +/g, ' ')
    .replaceAll(new RegExp(`${DURATION}(?: ${DURATION})*`, 'g'), '#')
    .replaceAll(/(?<=Ms=)[\d.]+|(?<=time )\d+(?=ms)/g, '#')
    .replace(
      /^(\d+) packets transmitted, (\d+) received.*/,
      (whole, sent: string, received: string) =>
        Number(sent) > 3 && Number(sent) - Number(received) <= MOST_LOST
          ? 'the ping went on'
          : whole,
    )
    .trim();
}

const MOST_LOST = 5;

/** The expected lines that are missing in the output. The output must contain them in order. */
export function missingLines(expected: readonly string[], output: string): readonly string[] {
  const lines = output.split('\n').map(normalized);
  let from = 0;
  return expected.filter((line) => {
    const at = lines.indexOf(normalized(line), from);
    if (at < 0) return true;
    from = at + 1;
    return false;
  });
}

/** One bash in its own mount namespace: variables and background jobs last for a whole page. */
export class PageShell implements AsyncDisposable {
  readonly #bash: ChildProcessByStdio<Writable, Readable, null>;
  readonly #directory: string;
  #output = '';
  #number = 0;

  /** `directory` holds its scratch files; `setUp` runs in the namespace first. */
  constructor(directory: string, workingDirectory: string, setUp: string) {
    this.#directory = directory;
    const argv = [
      '--mount',
      '--propagation',
      'private',
      'bash',
      '-c',
      `set -eu\n${setUp}\nexec bash --norc`,
    ];
    this.#bash = spawn('unshare', argv, {
      stdio: ['pipe', 'pipe', 'inherit'],
      cwd: workingDirectory,
      env: { ...process.env, PATH: searchPath() },
      // A separate process group, so that disposal also ends background jobs.
      detached: true,
    });
    this.#bash.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  /** Runs commands as if typed; returns their output, and the first command that failed. */
  async run(commands: string): Promise<{ readonly output: string; readonly failed: string }> {
    this.#number += 1;
    const file = `${this.#directory}/step-${this.#number}`;
    this.#bash.stdin.write(
      [
        `cat > ${file} <<'END OF STEP'\n${commands}END OF STEP`,
        `failed=; trap '[ -n "$failed" ] || failed="$BASH_COMMAND: $?"' ERR`,
        `. ${file} > ${file}.output 2>&1 < /dev/null`,
        `trap - ERR; echo "step ${this.#number} ended: $failed"\n`,
      ].join('\n'),
    );
    const end = new RegExp(`^step ${this.#number} ended: (.*)\n`, 'm');
    const failed = await waitFor(() => end.exec(this.#output)?.[1], {
      timeoutMs: 90_000,
      what: `the end of\n${commands}`,
      intervalMs: 20,
    });
    return { output: readFileSync(`${file}.output`, 'utf8'), failed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode } = this.#bash;
    if (pid === undefined || exitCode !== null) return;
    const ended = new Promise((resolve) => this.#bash.once('close', resolve));
    process.kill(-pid, 'SIGKILL');
    await ended;
  }
}
