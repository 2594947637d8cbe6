/**
 * `sojourn as …`: accounts, devices and keys of an account server. Passwords come from a prompt or
 * standard input, never from arguments, which others can see.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { read } from 'read';
import type { JsonObject } from '#base/json.ts';
import type { AnswerPrinter, GlobalOptions } from './daemon-request.ts';

/** The daemon's name unless the operator says another. */
const DAEMON = 'as';

export function addAccountCommands(root: Command, printAnswer: AnswerPrinter): void {
  const group = root.command(DAEMON).description('accounts, devices and keys of an account server');
  accountCommands(group.command('account').description('who may have devices'), printAnswer);
  const device = group.command('device').description('what has logged in');
  plain(
    device,
    'list [account]',
    'devices, of one account or of all',
    printAnswer,
    'device-list',
    (name) => ({ name }),
  );
  plain(
    device,
    'remove <device>',
    'by name or node id: it has to log in again',
    printAnswer,
    'device-remove',
    (named) => ({
      device: named,
    }),
  );
  const authority = group.command('authority').description('the keys that sign credentials');
  plain(
    authority,
    'list',
    'the present one, the next one, and former ones that are believed still',
    printAnswer,
    'authority-list',
  );
  authority
    .command('rotate')
    .description(
      'make a new key that signs from some time on, so that all who verify hear of it before',
    )
    .option('--after <seconds>', 'how long from now', wholeNumber)
    .action((options: { after?: number }, command: Command) =>
      printAnswer(optionsOf(command), 'authority-rotate', { afterSeconds: options.after }),
    );
  plain(
    group,
    'fingerprint',
    'SHA-256 of the TLS certificate, for clients to pin',
    printAnswer,
    'fingerprint',
  );
  plain(
    group,
    'reload',
    "read the TLS certificate's files again",
    printAnswer,
    'certificate-reload',
  );
}

function accountCommands(account: Command, printAnswer: AnswerPrinter): void {
  account
    .command('add <name>')
    .description('with a password, which is asked for (or read from standard input)')
    .option('--fqdn <name>', 'name of its devices; default <name>.<zone>')
    .option('--group <name...>', 'groups that its credentials name')
    .option('--no-password', 'enrolment tokens are the only way in')
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
    .description('set another password')
    .action(async (name: string, _: unknown, command: Command) => {
      await printAnswer(optionsOf(command), 'account-password', {
        name,
        password: await readPassword(command),
      });
    });
  account
    .command('groups <name> [groups...]')
    .description('set other groups, from the next credential on')
    .action((name: string, groups: string[], _: unknown, command: Command) =>
      printAnswer(optionsOf(command), 'account-groups', { name, groups }),
    );
  account
    .command('token <name>')
    .description('make an enrolment token: good for one login of one device')
    .option('--valid <seconds>', 'how long it is good; default a day', wholeNumber)
    .action((name: string, options: { valid?: number }, command: Command) =>
      printAnswer(optionsOf(command), 'account-token', { name, seconds: options.valid }),
    );
  const named = (name: string | undefined): JsonObject => ({ name });
  plain(account, 'list', 'all of them', printAnswer, 'account-list');
  plain(
    account,
    'disable <name>',
    'no login and no renewal: credentials end, and tunnels with them',
    printAnswer,
    'account-disable',
    named,
  );
  plain(account, 'enable <name>', 'the opposite', printAnswer, 'account-enable', named);
  plain(account, 'remove <name>', 'with its devices', printAnswer, 'account-remove', named);
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
  throw new InvalidArgumentError('a whole number is wanted');
}

/** Twice from a terminal, so that a slip is seen; one line from anything else. */
async function readPassword(command: Command): Promise<string> {
  if (!process.stdin.isTTY) return await readLine();
  const prompted = (prompt: string) =>
    read({ prompt, silent: true, output: process.stderr }).catch(() =>
      command.error('sojourn: no password was given'),
    );
  const password = await prompted('Password: ');
  if (password !== (await prompted('Again: '))) command.error('sojourn: the two are not the same');
  return password;
}

async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text.replace(/\r?\n[\s\S]*$/, '');
}
