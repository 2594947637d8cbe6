/** The calls of the `docker` program that the container lab needs. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Docker failed or is missing; `message` has its error and what to do. */
export class DockerError extends Error {
  override readonly name = 'DockerError';
}

const OUTPUT_LIMIT = 16 * 1024 * 1024;

/** Runs `docker` with these arguments; returns its standard output. Throws `DockerError`. */
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
 * Runs a program in a container, which may fail; returns its exit code and its standard output.
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

/** Starts a program in a container; its standard output is readable. */
export function executing(container: string, ...argv: readonly string[]): ChildProcess {
  return spawn('docker', ['exec', container, ...argv], { stdio: ['ignore', 'pipe', 'ignore'] });
}

function unavailable(error: Error): DockerError {
  if ('code' in error && error.code === 'ENOENT')
    return new DockerError('docker is missing (run apt-get install docker.io docker-compose)');
  return new DockerError(`docker could not be started: ${error.message}`);
}

function explain(args: readonly string[], output: string): string {
  if (/Cannot connect to the Docker daemon/.test(output))
    return 'no Docker engine answers (run systemctl start docker, or join the group docker)';
  if (/No such (container|network|object)/.test(output))
    return (
      'the lab is not up (run docker compose up -d --wait in the directory of compose.yaml): ' +
      `${output}`
    );
  return `docker ${args[0] ?? ''}: ${output}`;
}
