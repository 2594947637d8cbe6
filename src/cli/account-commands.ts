/**
 * `sojourn as …`: accounts, devices and keys of an account server. Passwords come from a prompt or
 * standard input, never from arguments, which other users can see.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { read } from 'read';
import type { JsonObject } from '#base/json.ts';
import type { AnswerPrinter, GlobalOptions } from './daemon-request.ts';

/** The default name of the daemon. */
const DAEMON = 'as';

export function addAccountCommands(root: Command, printAnswer: AnswerPrinter): void {
  const group = root.command(DAEMON).description('accounts, devices and keys of an account server');
  accountCommands(group.command('account').description('manage accounts'), printAnswer);
  const device = group.command('device').description('manage devices that have logged in');
  plain(
    device,
    'list [account]',
    'list the devices of one account or of all',
    printAnswer,
    'device-list',
    (name) => ({ name }),
  );
  plain(
    device,
    'remove <device>',
    'remove a device, by name or node id; it must log in again',
    printAnswer,
    'device-remove',
    (named) => ({
      device: named,
    }),
  );
  const authority = group.command('authority').description('manage the keys that sign credentials');
  plain(
    authority,
    'list',
    'list the current key, the next one, and former keys that are still valid',
    printAnswer,
    'authority-list',
  );
  authority
    .command('rotate')
    .description(
      'make a new key that will sign later, so that direction coordinators and relays learn ' +
        'it first',
    )
    .option('--after <seconds>', 'time until the new key signs; default one hour', wholeNumber)
    .action((options: { after?: number }, command: Command) =>
      printAnswer(optionsOf(command), 'authority-rotate', { afterSeconds: options.after }),
    );
  plain(
    group,
    'fingerprint',
    'show the SHA-256 fingerprint of the TLS certificate, for nodes to pin',
    printAnswer,
    'fingerprint',
  );
  plain(
    group,
    'reload',
    'reload the files of the TLS certificate',
    printAnswer,
    'certificate-reload',
  );
}

function accountCommands(account: Command, printAnswer: AnswerPrinter): void {
  account
    .command('add <name>')
    .description('add an account; the password is prompted for, or read from standard input')
    .option('--fqdn <name>', 'name of its devices; default <name>.<zone>')
    .option('--group <name...>', 'groups in its credentials')
    .option('--no-password', 'allow logins with enrolment tokens only')
    .action(
      async (
        name: string,
        options: { fqdn?: string; group?: string[]; password: boolean },
        command: Command,
      ) => {
        const password = options.password ? await readPassword(command) : undefined;
        const { fqdn, group: groups } = options;
        await printAnswer(optionsOf(command), 'account-add', { name, fqdn, groups, password });
      },
    );
  account
    .command('password <name>')
    .description('change the password')
    .action(async (name: string, _: unknown, command: Command) => {
      await printAnswer(optionsOf(command), 'account-password', {
        name,
        password: await readPassword(command),
      });
    });
  account
    .command('groups <name> [groups...]')
    .description('change the groups, with effect from the next credential')
    .action((name: string, groups: string[], _: unknown, command: Command) =>
      printAnswer(optionsOf(command), 'account-groups', { name, groups }),
    );
  account
    .command('token <name>')
    .description('make an enrolment token for one login of one device')
    .option('--valid <seconds>', 'lifetime of the token; default one day', wholeNumber)
    .action((name: string, options: { valid?: number }, command: Command) =>
      printAnswer(optionsOf(command), 'account-token', { name, seconds: options.valid }),
    );
  const named = (name: string | undefined): JsonObject => ({ name });
  plain(account, 'list', 'list all accounts', printAnswer, 'account-list');
  plain(
    account,
    'disable <name>',
    'forbid logins and renewals; tunnels end when the credentials expire',
    printAnswer,
    'account-disable',
    named,
  );
  plain(
    account,
    'enable <name>',
    'allow logins and renewals again',
    printAnswer,
    'account-enable',
    named,
  );
  plain(
    account,
    'remove <name>',
    'remove an account with its devices',
    printAnswer,
    'account-remove',
    named,
  );
}

/** A command with at most one argument and no options. */
function plain(
  group: Command,
  syntax: string,
  description: string,
  printAnswer: AnswerPrinter,
  command: string,
  parameters: (argument: string | undefined) => JsonObject = () => ({}),
): void {
  const made = group.command(syntax).description(description);
  made.action(() => printAnswer(optionsOf(made), command, parameters(made.args[0])));
}

function optionsOf(command: Command): GlobalOptions {
  const options = command.optsWithGlobals<GlobalOptions>();
  return options.socket === undefined ? { daemon: DAEMON, ...options } : options;
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number.');
}

/** Prompts twice on a terminal to detect a typing error; reads one line from any other input. */
async function readPassword(command: Command): Promise<string> {
  if (!process.stdin.isTTY) return await readLine();
  const prompted = (prompt: string) =>
    read({ prompt, silent: true, output: process.stderr }).catch(() =>
      command.error('sojourn: no password given'),
    );
  const password = await prompted('Password: ');
  if (password !== (await prompted('Again: '))) command.error('sojourn: the passwords differ');
  return password;
}

async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text.replace(/\r?\n[\s\S]*$/, '');
}
