/** docs/reference/events.md: every event and log line, of the one table there is. */
import {
  EVENT_FIELDS,
  EVENT_GROUPS,
  type EventFieldName,
  type EventRow,
} from '#engine/common/event-table.ts';
import { cell, code, table } from './markdown.ts';
import { sentence } from './text.ts';

const INTRODUCTION = `# Events and log lines

This page is written by \`npm run docs\` from \`src/engine/common/event-table.ts\`; nothing is logged that is not in that table.

A daemon writes JSON lines to standard output, and a form for people where that is a terminal (\`daemon.logFormat\`); under systemd the journal has
them. Each line has \`level\`, \`time\` (when it happened, ISO 8601), \`name\` (of the daemon), \`event\` (one of the ids below, which stay as they are), the fields of
the event, and \`msg\`. \`sojourn events --follow\` shows what engines and the account server tell, whatever the log level; lines about the process itself are in the
log only. Prometheus counts all of them as \`sojourn_events_total\`.

Addresses are logged, keys never: fields are texts and numbers of this page, octets cannot be logged, and members with names like \`key\`, \`token\`,
\`password\` or \`secret\` are replaced by \`[redacted]\`.

\`\`\`
{"level":"info","time":"2026-01-01T12:00:00.000Z","name":"ha","event":"binding-created","homeAddress":"2001:db8:1::10","careOfAddress":"2001:db8:a::10","identifier":"mn@example.net","encapsulation":"ipip","msg":"binding-created"}
\`\`\`
`;

export function eventsPage(): string {
  const sections = Object.entries(EVENT_GROUPS).map(([title, rows]) =>
    section(title, Object.entries(rows)),
  );
  return [INTRODUCTION, ...sections, fieldsSection()].join('\n');
}

function section(title: string, rows: readonly (readonly [string, EventRow])[]): string {
  const lines = rows.map(([name, { levels, about, fields }]) => [
    code(name),
    levels.join(', '),
    cell(about),
    fields.map(code).join(' '),
  ]);
  return `## ${sentence(title).slice(0, -1)}\n\n${table(['event', 'level', 'what happened', 'fields'], lines)}\n`;
}

function fieldsSection(): string {
  const names = Object.keys(EVENT_FIELDS).filter(
    (name): name is EventFieldName => name in EVENT_FIELDS,
  );
  const rows = names.sort().map((name) => [code(name), cell(sentence(EVENT_FIELDS[name]))]);
  return `## Fields\n\n${table(['field', 'what it is'], rows)}\n`;
}
