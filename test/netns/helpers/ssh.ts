/** Real sshd and ssh in the lab, and an exchange of lines over one long-lived connection. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { type Background, inNamespace, run } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';

const DIRECTORY = `${LAB_DIRECTORY}/ssh`;
/** Pause between an answer and the next line, as in interactive use. */
const PAUSE_MS = 20;

/**
 * For privilege separation sshd changes to the user `sshd`, which must exist in this user
 * namespace.
 */
export function mayServeSsh(): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split('\n')
    .some((line) => Number(line.trim().split(/\s+/)[2]) > 1);
}

/** New keys for host and client. */
export async function makeSshKeys(): Promise<void> {
  // An earlier lab may have left keys, and ssh-keygen would ask before it overwrites them.
  rmSync(DIRECTORY, { recursive: true, force: true });
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  for (const name of ['host', 'client']) {
    await run([
      'ssh-keygen',
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'lab',
      '-f',
      `${DIRECTORY}/${name}`,
    ]);
  }
  writeFileSync(
    `${DIRECTORY}/sshd_config`,
    `HostKey ${DIRECTORY}/host
AuthorizedKeysFile ${DIRECTORY}/client.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
UseDNS no
`,
  );
}

export async function serveSsh(lab: Lab, namespace: string): Promise<Background> {
  // The empty directory for sshd's unprivileged process, which Debian creates at boot.
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server = lab.spawn(namespace, [
    '/usr/sbin/sshd',
    '-D',
    '-e',
    '-f',
    `${DIRECTORY}/sshd_config`,
  ]);
  await server.ready('Server listening on :: port 22');
  return server;
}

/**
 * One ssh connection: sends lines to `cat` at the other end, each after the previous one has come
 * back.
 */
export class Conversation {
  readonly #child: ChildProcess;
  readonly #errors: string[] = [];
  #lines = 0;
  #wrong = 0;
  #lastMs = Number.NaN;
  #closing = false;

  constructor(namespace: string, address: string, sourceAddress?: string) {
    const bind = sourceAddress === undefined ? [] : ['-b', sourceAddress];
    const options = [
      'BatchMode=yes',
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
    ];
    const argv = [
      'ssh',
      '-F',
      'none',
      '-i',
      `${DIRECTORY}/client`,
      ...options.flatMap((option) => ['-o', option]),
    ];
    const [command = '', ...rest] = inNamespace(namespace, [
      ...argv,
      ...bind,
      '-l',
      'root',
      address,
      'cat',
    ]);
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#errors.push(text));
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => this.#answer(line));
    this.#child = child;
    this.#sendLine();
  }

  /** Lines that have come back. */
  get lines(): number {
    return this.#lines;
  }

  /** Answers that differ from the sent line. */
  get wrong(): number {
    return this.#wrong;
  }

  get lastMs(): number {
    return this.#lastMs;
  }

  get errors(): string {
    return this.#errors.join('');
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it as a user does, with the end of the input; resolves with the exit code of ssh. */
  async end(): Promise<number | null> {
    this.#closing = true;
    if (this.running) {
      const exited = once(this.#child, 'exit');
      this.#child.stdin?.end();
      await exited;
    }
    return this.#child.exitCode;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #sendLine(): void {
    if (!this.#closing) this.#child.stdin?.write(`${this.#lines}\n`);
  }

  #answer(line: string): void {
    if (line !== String(this.#lines)) this.#wrong += 1;
    this.#lines += 1;
    this.#lastMs = performance.now();
    setTimeout(() => this.#sendLine(), PAUSE_MS);
  }
}
