/** The arguments that every daemon takes. */
import { Command, Option } from 'commander';
import { LOG_LEVELS } from './daemon-settings.ts';
import { packageVersion } from './version.ts';

export interface DaemonCommandOptions {
  readonly role: string;
  readonly description: string;
  /** It has a public key that others are told of. */
  readonly hasPublicKey: boolean;
}

export function daemonCommand({ role, description, hasPublicKey }: DaemonCommandOptions): Command {
  const command = new Command(`sojourn-${role}`)
    .description(description)
    .version(packageVersion())
    .requiredOption('-c, --config <file>', 'configuration (YAML); its drop-ins are <file>.d/*.yaml')
    .option('--check', 'check the configuration, touch nothing, exit')
    .option('--json', 'with --check: say what was found as JSON')
    .option('--cleanup', 'remove what a killed daemon left in the kernel, exit')
    .addOption(new Option('--log-level <level>', 'overrides daemon.logLevel').choices(LOG_LEVELS))
    .allowExcessArguments(false)
    .exitOverride();
  if (hasPublicKey)
    command.option(
      '--show-key',
      'print the public key that others are told of (made where there is none; only daemon: of the configuration counts), exit',
    );
  return command;
}
