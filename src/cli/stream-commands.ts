/** The commands of `sojourn` with continuous output: events and control messages. */
import { type Command, InvalidArgumentError } from 'commander';
import type { JsonObject } from '#base/json.ts';
import { formatEvent, formatMessage } from '#daemon/answers/views.ts';
import { ControlClient } from '#daemon/control/control-client.ts';
import { type GlobalOptions, socketOf } from './daemon-request.ts';

export function addStreams(root: Command): void {
  root
    .command('events')
    .description('recent events (docs/reference/events.md)')
    .option('-f, --follow', 'continue with new events')
    .option('-n, --last <count>', 'number of past events', whole, 50)
    .action((options: { follow?: true; last: number }, command: Command) =>
      events(optionsOf(command), options),
    );
  root
    .command('trace')
    .description(
      'new control messages, one a line: NTMobile decrypted, changed counters in [brackets]; ' +
        'never keys',
    )
    .option('-m, --message <name...>', 'only messages of this name')
    .option('-n, --count <count>', 'end after this number of messages', whole)
    .action((options: TraceOptions, command: Command) => trace(optionsOf(command), options));
}

interface TraceOptions {
  readonly message?: readonly string[];
  readonly count?: number;
}

async function events(
  options: GlobalOptions,
  { follow, last }: { follow?: true; last: number },
): Promise<void> {
  using client = await ControlClient.connect(socketOf(options));
  await client.events({ follow: follow === true, last }, (event) => {
    process.stdout.write(`${options.json ? JSON.stringify(event) : formatEvent(event)}\n`);
  });
}

async function trace(
  options: GlobalOptions,
  { message: names, count = Number.POSITIVE_INFINITY }: TraceOptions,
) {
  using client = await ControlClient.connect(socketOf(options));
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  let left = count;
  const show = (entry: JsonObject): void => {
    if (left <= 0 || (names !== undefined && !names.includes(String(entry['message'])))) return;
    process.stdout.write(`${options.json ? JSON.stringify(entry) : formatMessage(entry)}\n`);
    left -= 1;
    if (left <= 0) resolve();
  };
  await Promise.race([client.stream('trace', show), enough]);
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('must be a whole number.');
  return value;
}

function optionsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}
