/**
 * The life cycle of every daemon: arguments, configuration, log, control socket, start, signals,
 * stop, exit code. It reads and checks everything before it touches the machine; `--check` stops in
 * between.
 */
import { setFlagsFromString } from 'node:v8';
import { CommanderError } from 'commander';
import { reportCheck, writeFaults } from './configuration/check-report.ts';
import { loadConfiguration } from './configuration/config.ts';
import { removeStale } from './control/control-socket.ts';
import { daemonCommand } from './daemon-command.ts';
import { type DaemonOptions, DaemonRun, leaveProcess } from './daemon-run.ts';
import { identitySchema, type ServiceSettings } from './daemon-settings.ts';
import type { DaemonSpec } from './daemon-spec.ts';
import { useDirectoriesOfUnit } from './directories.ts';
import { ExitCode } from './exit-codes.ts';
import { exitCodeOf, remedyOf, reportFailure } from './failure-report.ts';
import { createLog, type Log } from './log.ts';
import type { SendToServiceManager } from './service-manager.ts';

/**
 * Runs the daemon until a signal stops it; ends the process. `send` notifies the service manager.
 */
export async function runDaemon<S extends { readonly daemon: ServiceSettings }>(
  send: SendToServiceManager,
  spec: DaemonSpec<S>,
): Promise<void> {
  // Keeps the bytecode of functions that run rarely: V8 would compile them again in a handover.
  setFlagsFromString('--no-flush-bytecode');
  const options = parseArguments(spec);
  if (typeof options === 'number') return leaveProcess(options);
  // Both concern the daemon of the systemd unit, if there is one.
  if (options.cleanup || options.showKey) useDirectoriesOfUnit(spec.role);
  if (options.showKey) return leaveProcess(showKey(spec, options.config));
  const loaded = spec.load(options.config);
  if (options.check) {
    return leaveProcess(
      reportCheck(
        options.config,
        loaded,
        (settings) => spec.warnings(settings),
        options.json === true,
      ),
    );
  }
  if (!loaded.ok) {
    writeFaults(loaded.faults);
    return leaveProcess(ExitCode.configuration);
  }
  const settings = loaded.value;
  const { name, logFormat, logLevel } = settings.daemon;
  const log = createLog({ name, level: options.logLevel ?? logLevel, format: logFormat });
  if (options.cleanup) return leaveProcess(await cleanUp(spec, settings, log));
  await new DaemonRun(spec, loaded, options, log, send).run();
}

/** The arguments, or the exit code after --help, --version or a wrong argument. */
function parseArguments(spec: {
  readonly role: string;
  readonly description: string;
  readonly publicKey?: unknown;
}): DaemonOptions | ExitCode {
  const { role, description, publicKey } = spec;
  const command = daemonCommand({ role, description, hasPublicKey: publicKey !== undefined });
  try {
    return command.parse().opts<DaemonOptions>();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
}

/**
 * Needs only the `daemon:` section: two daemons that need each other's keys could otherwise never
 * complete their configurations.
 */
function showKey(
  { role, publicKey }: Pick<DaemonSpec<never>, 'role' | 'publicKey'>,
  file: string,
): ExitCode {
  const loaded = loadConfiguration(file, () => identitySchema(role));
  if (!loaded.ok) {
    writeFaults(loaded.faults);
    return ExitCode.configuration;
  }
  try {
    process.stdout.write(`${publicKey?.(loaded.value.daemon) ?? ''}\n`);
    return ExitCode.ok;
  } catch (thrown) {
    // Not the log: standard output carries the key and nothing else.
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const code = exitCodeOf(error);
    const remedy = remedyOf(error, code, "run it as root or as the daemon's user");
    const hint = remedy === undefined ? '' : ` (${remedy})`;
    process.stderr.write(`sojourn-${role}: ${error.message}${hint}\n`);
    return code;
  }
}

async function cleanUp<S extends { readonly daemon: ServiceSettings }>(
  spec: DaemonSpec<S>,
  settings: S,
  log: Log,
): Promise<ExitCode> {
  try {
    // Throws while the daemon runs: its kernel state would be removed.
    await removeStale(settings.daemon.controlSocket);
    spec.cleanup(settings);
    return ExitCode.ok;
  } catch (thrown) {
    return reportFailure(log, 'cleanup-failed', thrown, spec.permissions);
  }
}
