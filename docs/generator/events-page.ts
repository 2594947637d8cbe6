/** docs/reference/events.md: every event and log line. */
import { EVENT_GROUPS } from '#engine/common/event-table.ts';
import {
  EVENT_FIELDS,
  type EventFieldName,
  type EventRow,
} from '#engine/common/events/event-row.ts';
import { cell, code, item, pairs } from './markdown.ts';
import { sentence } from './text.ts';

const INTRODUCTION = `# Events and log lines

\`npm run docs\` writes this page from the tables in \`src/engine/common/events/\`. Every log line
is in one of them.

A daemon writes JSON lines to standard output, or a readable form where that is a terminal
(\`daemon.logFormat\`). Under systemd, the journal has them. Each line has:

* \`level\`
* \`time\`: when it happened, ISO 8601
* \`name\`: of the daemon
* \`event\`: one of the names below; they are stable
* the fields of the event
* \`msg\`

\`sojourn events --follow\` shows the events of engines and of the account server at any log level.
Lines about the process itself are only in the log. The metric \`sojourn_events_total\` counts all
of them.

Addresses are logged, keys never: fields are texts and numbers of this page, and members with names
like \`key\`, \`token\`, \`password\` or \`secret\` are replaced by \`[redacted]\`.

One line, wrapped:

\`\`\`
{"level":"info","time":"2026-01-01T12:00:00.000Z","name":"ha","event":"binding-created",
 "homeAddress":"2001:db8:1::10","careOfAddress":"2001:db8:a::10","identifier":"mn@example.net",
 "encapsulation":"ipip","msg":"binding-created"}
\`\`\`
`;

export function eventsPage(): string {
  const sections = Object.entries(EVENT_GROUPS).map(([title, rows]) =>
    section(title, Object.entries(rows)),
  );
  return [INTRODUCTION, ...sections, fieldsSection()].join('\n');
}

function section(title: string, rows: readonly (readonly [string, EventRow])[]): string {
  const items = rows.map(([name, { levels, about, fields }]) => {
    const named = fields.length === 0 ? '' : ` Fields: ${fields.map(code).join(', ')}.`;
    return item(`${code(name)} (${levels.join(', ')}): ${cell(sentence(about))}${named}`);
  });
  return `## ${sentence(title).slice(0, -1)}\n\n${items.join('\n')}\n`;
}

function fieldsSection(): string {
  const names = Object.keys(EVENT_FIELDS).filter(
    (name): name is EventFieldName => name in EVENT_FIELDS,
  );
  const rows = names
    .sort()
    .map((name): readonly [string, string] => [code(name), cell(sentence(EVENT_FIELDS[name]))]);
  return `## Fields\n\n${pairs(['field', 'meaning'], rows)}\n`;
}
