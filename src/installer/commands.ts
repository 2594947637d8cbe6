/** `sojourn install` and `sojourn uninstall` on the command line. */
import { isAbsolute } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { install, uninstall } from './installation.ts';

export function addInstallationCommands(root: Command): void {
  root
    .command('install')
    .description('install code, units, manual pages and examples from the sources')
    .option('--prefix <directory>', 'directory to install below', absolute, '/usr/local')
    .option('--destdir <directory>', 'root directory of a package or an image', '/')
    .action((options: { prefix: string; destdir: string }) => {
      process.stdout.write(`${install(options)}\n`);
    });
  root
    .command('uninstall')
    .description('stop the daemons and remove the installed files; configuration and state remain')
    .option(
      '--prefix <directory>',
      'prefix of the installation (default: that of this program, or /usr/local)',
      absolute,
    )
    .option('--destdir <directory>', 'root directory of a package or an image', '/')
    .action(({ prefix, destdir }: { prefix?: string; destdir: string }) => {
      process.stdout.write(`${uninstall({ prefix, destdir })}\n`);
    });
}

function absolute(directory: string): string {
  if (!isAbsolute(directory)) throw new InvalidArgumentError('must be an absolute path.');
  return directory === '/' ? directory : directory.replace(/\/+$/, '');
}
