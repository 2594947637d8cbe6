/** The `docker` program, as far as the container lab needs it. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Docker said no, or is not there; `message` has its words and what to do. */
export class DockerError extends Error {
  override readonly name = 'DockerError';
}

const OUTPUT_LIMIT = 16 * 1024 * 1024;

/** Runs `docker` with these arguments; gives what it printed. Throws `DockerError`. */
export function docker(...args: readonly string[]): Promise<string> {
  const child = spawn('docker', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < OUTPUT_LIMIT) output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', (error) => reject(unavailable(error)));
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new DockerError(explain(args, errors.trim() || output.trim())));
    });
  });
}

/**
 * As `docker`, of a program in a container, which may fail: gives its exit code with what it
 * printed.
 */
export async function execute(
  container: string,
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const child = executing(container, ...argv);
  return await new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', (error) => reject(unavailable(error)));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** A program in a container, running; its standard output can be read. */
export function executing(container: string, ...argv: readonly string[]): ChildProcess {
  return spawn('docker', ['exec', container, ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });
}

function unavailable(error: Error): DockerError {
  if ('code' in error && error.code === 'ENOENT')
    return new DockerError('docker is missing (apt-get install docker.io docker-compose)');
  return new DockerError(`docker cannot be run: ${error.message}`);
}

function explain(args: readonly string[], words: string): string {
  if (/Cannot connect to the Docker daemon/.test(words))
    return 'no Docker engine answers (systemctl start docker, or are you in the group docker?)';
  if (/No such (container|network|object)/.test(words))
    return `the lab is not up (docker compose up -d --wait, in the directory of compose.yaml): ${words}`;
  return `docker ${args[0] ?? ''}: ${words}`;
}
