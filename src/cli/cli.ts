#!/usr/bin/env node
/**
 * `sojourn`: queries and controls daemons over their control sockets, checks configurations, cleans
 * up after a crash.
 */
import { CommanderError } from 'commander';
import { ControlUnavailable } from '#daemon/control/control-client.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { InstallationRefused } from '#installer/payload.ts';
import { CommandFailure } from './daemon-request.ts';
import { DockerError } from './docker-lab/docker.ts';
import { program } from './program.ts';

function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommandFailure) return thrown.code;
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (thrown instanceof InstallationRefused) return ExitCode.unavailable;
  if (isPermission(thrown)) return ExitCode.permission;
  if (thrown instanceof DockerError) return ExitCode.unavailable;
  if (!(thrown instanceof ControlUnavailable)) return ExitCode.internal;
  if (thrown.reason === 'refused') return ExitCode.negative;
  return thrown.reason === 'permission' ? ExitCode.permission : ExitCode.unavailable;
}

function isPermission(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    (thrown.code === 'EACCES' || thrown.code === 'EPERM')
  );
}

// `sojourn events | head` closes standard output early; that is not a failure.
process.stdout.on('error', () => process.exit(ExitCode.ok));

try {
  await program().parseAsync();
} catch (thrown) {
  process.exitCode = exitCodeOf(thrown);
  // Commander has printed its own message.
  if (!(thrown instanceof CommanderError))
    process.stderr.write(`sojourn: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
}
