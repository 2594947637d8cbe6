/** A page of documentation with commands and what they show, and a shell that follows it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { searchPath } from '#lab/enter.ts';
import { waitFor } from '#lab/shell.ts';

/** A block of commands, and the block of what is seen where one follows. */
export interface Step {
  readonly section: string;
  readonly commands: string;
  readonly seen: readonly string[];
}

/** The blocks ```sh and ```text of a page, in their order. */
export function stepsOf(page: string): readonly Step[] {
  const steps: Step[] = [];
  for (const [, section = '', kind, text = ''] of page.matchAll(
    /^## (.*)$|^```(sh|text)\n([\s\S]*?)^```$/gm,
  )) {
    const last = steps.at(-1);
    if (kind === undefined) steps.push({ section, commands: '', seen: [] });
    else if (kind === 'sh') steps.push({ section: last?.section ?? '', commands: text, seen: [] });
    else if (last !== undefined)
      steps.push({ ...steps.pop(), ...last, seen: text.trimEnd().split('\n') });
  }
  return steps.filter(({ commands }) => commands !== '');
}

const DURATION = String.raw`\d+(?:\.\d+)? (?:ms|s|min|h|d)\b`;

/**
 * A line without what is different each time: times, keys' addresses, widths of columns; pings may
 * have lost what a move takes.
 */
export function alike(line: string): string {
  return line
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z/, '<time>')
    .replaceAll(/\bfd12:3456:789a:[0-9a-f:]+/g, '<virtual>')
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

/** What is to be seen and is not, in its order. */
export function missingOf(seen: readonly string[], output: string): readonly string[] {
  const lines = output.split('\n').map(alike);
  let from = 0;
  return seen.filter((wanted) => {
    const at = lines.indexOf(alike(wanted), from);
    if (at < 0) return true;
    from = at + 1;
    return false;
  });
}

/**
 * One bash for a whole page, so that variables and background jobs last, in a mount namespace of
 * its own.
 */
export class PageShell implements AsyncDisposable {
  readonly #bash: ChildProcessByStdio<Writable, Readable, null>;
  readonly #directory: string;
  #said = '';
  #number = 0;

  /** `directory` is for its notes; `setUp` is run in the namespace first. */
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
      // A group of its own, to end whatever it leaves running.
      detached: true,
    });
    this.#bash.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
  }

  /** Runs commands as if they were typed; gives what they wrote, and the first that failed. */
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
    const failed = await waitFor(() => end.exec(this.#said)?.[1], {
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
