/** docs/reference/cli.md: the commands of `sojourn`, and what `--json` gives. */

import { type AnswerForm, QUESTIONS } from '#daemon/answers/answer-table.ts';
import { EVENT_FIELDS } from '#engine/common/event-table.ts';
import { commands, globalOptions } from './commands.ts';
import { cell, code, table } from './markdown.ts';
import { sentence } from './text.ts';

const INTRODUCTION = `# The command line

This page is written by \`npm run docs\` from the commands themselves and from \`src/daemon/answers/answer-table.ts\`.

\`sojourn\` asks the daemons of this host over their control sockets. Where one runs, that one is meant; otherwise say which: \`--daemon ha\`. Who may use a
socket is a matter of its file permissions (0660): root, and the members of its group (\`daemon.controlGroup\`, with the units that come along: \`sojourn\`).

Tables are for people and may change; \`--json\` is for programs, complete and stable. \`--watch\` shows an answer again and again (with \`--json\`: one JSON
value a line). \`source <(sojourn completion bash)\`, or \`zsh\`, completes commands, options and names.

| exit code | meaning |
|---|---|
| 0 | yes |
| 1 | no: \`status\` of who is not registered, or a request that was refused |
| 64 | wrong arguments |
| 69 | no daemon answers, or something that is needed is missing |
| 77 | not permitted |
| 78 | wrong configuration |
`;

const MESSAGE = {
  at: 'when, ISO 8601',
  direction: 'in or out',
  protocol: 'mobile-ipv6, ntmobile, neighbour, icmpv6 or other',
  message: 'name of the message',
  transport: 'ipv6, udp, datagram (the port of NTMobile), tunnel and its number, or an interface',
  from: 'where it comes from',
  to: 'where it goes',
  summary: 'what it says, without keys, tokens and authenticators',
  'counted?': 'counters that it moved: what became of it',
};

const EVENT = {
  number: 'counts from 1; a gap tells that events were missed',
  at: 'when, ISO 8601',
  name: 'id of the event, see docs/reference/events.md',
  level: 'debug, info or warn',
  fields: `members as docs/reference/events.md says, for example ${code('homeAddress')}: ${EVENT_FIELDS.homeAddress}`,
};

export function commandsPage(): string {
  const questions = Object.entries(QUESTIONS).map(([name, { forms }]) =>
    questionSection(name, forms),
  );
  return [
    INTRODUCTION,
    `## Options of every command\n\n${table(['option', 'what it does'], globalOptions().map(optionRow))}\n`,
    commandsSection(),
    '## What `--json` gives\n\nA name that ends in `?` may be absent or null.\n',
    ...questions,
    fieldsSection('sojourn events', 'one object a line', EVENT),
    fieldsSection('sojourn trace', 'one object a line', MESSAGE),
  ].join('\n');
}

function optionRow([flags, about]: readonly [string, string]): readonly string[] {
  return [code(flags), cell(sentence(about))];
}

function commandsSection(): string {
  const rows = commands().map(({ path, parameters, about, options }) => [
    code(`sojourn ${path}${parameters === '' ? '' : ` ${parameters}`}`),
    [
      cell(sentence(about)),
      ...options.map(([flags, text]) => `${code(flags)}: ${cell(sentence(text))}`),
    ].join('<br>'),
  ]);
  return `## Commands\n\n${table(['command', 'what it does'], rows)}\n`;
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
  const rows = Object.entries(fields).map(([name, about]) => [
    name === '*' ? 'others' : code(name),
    sentence(about).replaceAll('|', '\\|'),
  ]);
  return `### ${title}\n\n${sentence(what).replace(/\.$/, ':')}\n\n${table(['member', 'what it is'], rows)}\n`;
}
