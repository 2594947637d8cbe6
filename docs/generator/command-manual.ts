/** sojourn(1), in roff. */
import { commands, globalOptions } from './commands.ts';
import { roffText } from './manual-page.ts';
import { sentence } from './text.ts';

const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, 'yes'],
  [1, 'no: something is not registered (status), or the request was refused'],
  [64, 'wrong arguments'],
  [69, 'no daemon answers, or something needed is missing'],
  [77, 'not permitted'],
  [78, 'wrong configuration'],
];

export function commandManual(): string {
  const sections = [
    '.TH SOJOURN 1 "" Sojourn "Sojourn"',
    '.SH NAME',
    roffText('sojourn - query, control and check the daemons of Sojourn'),
    '.SH SYNOPSIS',
    `.B sojourn\n${roffText('[options] command [options] [parameters]')}`,
    '.SH DESCRIPTION',
    roffText(
      'sojourn asks the daemons of this host over their control sockets. If several run, ' +
        'select one ' +
        'with --daemon. Root and the members of the socket group may use a socket.',
    ),
    '.PP',
    roffText(
      'Tables are for people and may change. --json is for programs, complete and stable; ' +
        'docs/reference/cli.md lists the members.',
    ),
    '.SH OPTIONS',
    ...globalOptions().flatMap(([flags, about]) => item(flags, about)),
    '.SH COMMANDS',
    ...commands().flatMap(({ path, parameters, about, options }) => [
      ...item(`${path} ${parameters}`.trimEnd(), about),
      ...(options.length === 0
        ? []
        : ['.RS', ...options.flatMap(([flags, text]) => item(flags, text)), '.RE']),
    ]),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([number, about]) => item(String(number), about)),
    '.SH FILES',
    ...item('/run/sojourn/*.sock, /run/sojourn/*/*.sock', 'control sockets'),
    ...item('/etc/sojourn/<daemon>.yaml', 'configuration'),
    '.SH SEE ALSO',
    '.BR sojourn (7)',
  ];
  return `${sections.join('\n')}\n`;
}

function item(name: string, about: string): readonly string[] {
  return ['.TP', `.B ${roffText(name)}`, roffText(sentence(about))];
}
