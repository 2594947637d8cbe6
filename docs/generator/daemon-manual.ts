/** sojourn-<daemon>(8), in roff. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { daemonCommand } from '#daemon/daemon-command.ts';
import { DAEMON_TEXTS } from './daemon-texts.ts';
import { REPOSITORY } from './daemons.ts';
import { roffText } from './manual-page.ts';
import { sentence } from './text.ts';

const SIGNALS: readonly (readonly [string, string])[] = [
  [
    'SIGTERM, SIGINT',
    'stop: say goodbye to peers, undo everything, end. A second one ends at once',
  ],
  [
    'SIGHUP',
    'read the configuration again and apply what can be applied while it runs, as sojourn reload does',
  ],
];

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'told to stop, and everything is undone'],
  ['64', 'wrong arguments'],
  ['69', 'something that is needed is missing, or another daemon serves the control socket'],
  ['70', 'a defect of the program; the log has it'],
  ['77', 'a capability, or access to a file or socket, is missing'],
  ['78', 'the configuration is wrong; starting it again does not help'],
];

export function daemonManual(role: string): string {
  const name = `sojourn-${role}`;
  const text = DAEMON_TEXTS[role];
  if (text === undefined) throw new Error(`docs/generator/daemon-texts.ts says nothing of ${role}`);
  const sections = [
    `.TH ${roffText(name.toUpperCase())} 8 "" Sojourn "Sojourn"`,
    '.SH NAME',
    roffText(`${name} - ${text.name}`),
    '.SH SYNOPSIS',
    `.B ${roffText(name)}\n${roffText('--config file [options]')}`,
    '.SH DESCRIPTION',
    ...text.paragraphs.flatMap((one, at) => [...(at === 0 ? [] : ['.PP']), roffText(one)]),
    '.PP',
    roffText(
      `${name}.service runs it as the user ${name} with ${capabilitiesOf(role)}, and starts it again after a crash.`,
    ),
    '.SH OPTIONS',
    ...daemonCommand({
      role,
      description: text.name,
      hasPublicKey: text.hasPublicKey === true,
    }).options.flatMap(({ flags, description }) => item(flags, description)),
    ...item('-h, --help', 'display help for command'),
    '.SH SIGNALS',
    ...SIGNALS.flatMap(([signal, about]) => item(signal, about)),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, about]) => item(code, about)),
    '.SH FILES',
    ...item(`/etc/sojourn/${role}.yaml`, `configuration, sojourn.${role}.yaml(5)`),
    ...item(
      `/var/lib/sojourn/${role}`,
      'state, of the unit; /var/lib/sojourn where it is started by hand',
    ),
    ...item(
      `/run/sojourn/${role}/${role}.sock`,
      `control socket, of the unit; /run/sojourn/${role}.sock where it is started by hand`,
    ),
    '.SH SEE ALSO',
    `.BR sojourn (1),\n.BR sojourn.${role}.yaml (5),\n.BR sojourn (7)`,
  ];
  return `${sections.join('\n')}\n`;
}

/** As its unit says. */
function capabilitiesOf(role: string): string {
  const unit = readFileSync(join(REPOSITORY, `systemd/sojourn-${role}.service`), 'utf8');
  const names = (/^AmbientCapabilities=(.*)$/m.exec(unit)?.[1] ?? '')
    .split(' ')
    .filter((name) => name !== '');
  return names.length === 0 ? 'no capability' : `the capabilities ${names.join(', ')} and no other`;
}

function item(name: string, about: string): readonly string[] {
  return ['.TP', `.B ${roffText(name)}`, roffText(sentence(about))];
}
