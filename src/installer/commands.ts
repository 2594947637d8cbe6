/** `sojourn install` and `sojourn uninstall` on the command line. */
import { isAbsolute } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { install, uninstall } from './installation.ts';

export function addInstallationCommands(root: Command): void {
  root
    .command('install')
    .description('put code, units, manual pages and examples in place, from the sources')
    .option('--prefix <directory>', 'below which everything goes', absolute, '/usr/local')
    .option('--destdir <directory>', 'stands for /, to make a package or an image', '/')
    .action((options: { prefix: string; destdir: string }) => {
      process.stdout.write(`${install(options)}\n`);
    });
  root
    .command('uninstall')
    .description(
      'stop the daemons and remove what install put in place; configuration and state stay',
    )
    .option(
      '--prefix <directory>',
      'where it was installed (default: where this runs from, or /usr/local)',
      absolute,
    )
    .option('--destdir <directory>', 'stands for /', '/')
    .action(({ prefix, destdir }: { prefix?: string; destdir: string }) => {
      process.stdout.write(`${uninstall({ prefix, destdir })}\n`);
    });
}

function absolute(directory: string): string {
  if (!isAbsolute(directory)) throw new InvalidArgumentError('must be an absolute path');
  return directory === '/' ? directory : directory.replace(/\/+$/, '');
}
