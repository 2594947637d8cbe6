/** sojourn-<daemon>(8), in roff. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { daemonCommand } from '#daemon/daemon-command.ts';
import { DAEMON_TEXTS } from './daemon-texts.ts';
import { REPOSITORY } from './daemons.ts';
import { roffText } from './manual-page.ts';
import { sentence } from './text.ts';

const SIGNALS: readonly (readonly [string, string])[] = [
  ['SIGTERM, SIGINT', 'stop: restore the host, end. A second signal ends the daemon at once'],
  ['SIGHUP', 'read the configuration again and apply reloadable keys, like sojourn reload'],
];

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'stopped, and the host is restored'],
  ['64', 'wrong arguments'],
  ['69', 'something needed is missing, or another daemon serves the control socket'],
  ['70', 'a bug in the program; the log has the details'],
  ['77', 'a capability, or access to a file or socket, is missing'],
  ['78', 'the configuration is wrong; a restart does not help'],
];

export function daemonManual(role: string): string {
  const name = `sojourn-${role}`;
  const text = DAEMON_TEXTS[role];
  if (text === undefined)
    throw new Error(`docs/generator/daemon-texts.ts has no entry for ${role}`);
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
      `${name}.service runs it as the user ${name} with ${capabilitiesOf(role)}, and ` +
        'restarts it after a crash.',
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
      'state; /var/lib/sojourn if the daemon is started without its unit',
    ),
    ...item(
      `/run/sojourn/${role}/${role}.sock`,
      `control socket; /run/sojourn/${role}.sock if the daemon is started without its unit`,
    ),
    '.SH SEE ALSO',
    `.BR sojourn (1),\n.BR sojourn.${role}.yaml (5),\n.BR sojourn (7)`,
  ];
  return `${sections.join('\n')}\n`;
}

/** Read from its unit. */
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
