/** The command-line options of every daemon. */
import { Command, Option } from 'commander';
import { LOG_LEVELS } from './daemon-settings.ts';
import { CONFIGURATION_DIRECTORY } from './directories.ts';
import { packageVersion } from './version.ts';

interface DaemonCommandOptions {
  readonly role: string;
  readonly description: string;
  /** Whether other daemons are configured with its public key. */
  readonly hasPublicKey: boolean;
}

export function daemonCommand({ role, description, hasPublicKey }: DaemonCommandOptions): Command {
  const usual = `${CONFIGURATION_DIRECTORY}/${role}.yaml`;
  const command = new Command(`sojourn-${role}`)
    .description(description)
    .version(packageVersion())
    .requiredOption(
      '-c, --config <file>',
      `configuration (YAML); its drop-ins are <file>.d/*.yaml; the unit reads ${usual}`,
    )
    .option('--check', 'check the configuration and exit; change nothing')
    .option('--json', 'with --check: print the result as JSON')
    .option('--cleanup', 'remove the kernel state of a killed daemon and exit')
    .addOption(new Option('--log-level <level>', 'override daemon.logLevel').choices(LOG_LEVELS))
    .allowExcessArguments(false)
    .showHelpAfterError(`(sojourn-${role} --config ${usual}; sojourn-${role} --help)`)
    .exitOverride();
  if (hasPublicKey)
    command.option(
      '--show-key',
      'print the public key for the configurations of other daemons and exit; makes the key ' +
        'if there is none and reads only the daemon: section',
    );
  return command;
}
