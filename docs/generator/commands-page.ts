/** docs/reference/cli.md: the commands of `sojourn`, and what `--json` gives. */

import { type AnswerForm, QUERIES } from '#daemon/answers/answer-table.ts';
import { EVENT_FIELDS } from '#engine/common/events/event-row.ts';
import { commands, globalOptions } from './commands.ts';
import { cell, code, item, pairs } from './markdown.ts';
import { sentence } from './text.ts';

const INTRODUCTION = `# Command line

\`npm run docs\` writes this page from the commands themselves and from
\`src/daemon/answers/answer-table.ts\`.

\`sojourn\` asks the daemons of this host over their control sockets. If several run, select one:
\`sojourn --daemon ha status\`. The file permissions of a socket (0660) decide who may use it: root,
and the members of its group (\`daemon.controlGroup\`; with the packaged units \`sojourn\`).

Tables are for people and may change. \`--json\` is for programs, complete and stable. \`--watch\`
repeats an answer (with \`--json\`: one JSON value a line).
\`source <(sojourn completion bash)\`, or \`zsh\`, completes commands, options and names.

| exit code | meaning |
|---|---|
| 0 | yes |
| 1 | no: something is not registered (\`status\`), or the request was refused |
| 64 | wrong arguments |
| 69 | no daemon answers, or something needed is missing |
| 77 | not permitted |
| 78 | wrong configuration |
`;

const MESSAGE = {
  at: 'time, ISO 8601',
  direction: 'in or out',
  protocol: 'mobile-ipv6, ntmobile, neighbour, icmpv6 or other',
  message: 'name of the message',
  transport: 'ipv6, udp, datagram (NTMobile), tunnel and its number, or an interface',
  from: 'source',
  to: 'destination',
  summary: 'content without keys, tokens and authenticators',
  'counted?': 'counters that it incremented: the outcome',
};

const EVENT = {
  number: 'counts from 1; a gap means that events were missed',
  at: 'time, ISO 8601',
  name: 'id of the event, see docs/reference/events.md',
  level: 'debug, info or warn',
  fields:
    `members as docs/reference/events.md says, for example ${code('homeAddress')}: ` +
    `${EVENT_FIELDS.homeAddress}`,
};

export function commandsPage(): string {
  const questions = Object.entries(QUERIES).map(([name, { forms }]) =>
    questionSection(name, forms),
  );
  return [
    INTRODUCTION,
    '## Options of every ' +
      `command\n\n${pairs(['option', 'effect'], globalOptions().map(optionRow))}\n`,
    commandsSection(),
    '## JSON output\n\nA member whose name ends in `?` may be absent or null.\n',
    ...questions,
    fieldsSection('sojourn events', 'one object a line', EVENT),
    fieldsSection('sojourn trace', 'one object a line', MESSAGE),
  ].join('\n');
}

function optionRow([flags, about]: readonly [string, string]): readonly [string, string] {
  return [code(flags), cell(sentence(about))];
}

function commandsSection(): string {
  const items = commands().flatMap(({ path, parameters, about, options }) => [
    item(`${code(['sojourn', path, parameters].join(' ').trim())}: ${cell(sentence(about))}`),
    ...options.map(([flags, text]) => item(`${code(flags)}: ${cell(sentence(text))}`, '  ')),
  ]);
  return `## Commands\n\n${items.join('\n')}\n`;
}

function questionSection(name: string, forms: readonly AnswerForm[]): string {
  return forms
    .map(({ daemons, shape, fields }) => {
      const what = shape === 'list' ? 'a list; each entry has' : 'an object with';
      return fieldsSection(`sojourn ${name}, of ${daemons.join(' and ')}`, what, fields);
    })
    .join('\n');
}

function fieldsSection(
  title: string,
  what: string,
  fields: Readonly<Record<string, string>>,
): string {
  // Meanings may hold code of their own.
  const rows = Object.entries(fields).map(([name, about]): readonly [string, string] => [
    name === '*' ? 'others' : code(name),
    sentence(about).replaceAll('|', '\\|'),
  ]);
  return (
    '### ' +
    `${title}\n\n${sentence(what).replace(/\.$/, ':')}\n\n${pairs(['member', 'meaning'], rows)}\n`
  );
}
