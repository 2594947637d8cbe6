/** The man page of a daemon's configuration file, sojourn.<daemon>.yaml(5), in roff. */
import type { KeyDescription } from '#daemon/configuration/config-schema.ts';
import { everyKey } from '#daemon/configuration/config-schema.ts';
import type { DaemonConfiguration } from './daemons.ts';
import { aboutKey, hasPlainDefault, inlineYaml, typeAndUnit } from './text.ts';

/** `minimal`: the text of the minimal example. */
export function manualPage(
  { role, description, keys }: DaemonConfiguration,
  minimal: string | undefined,
): string {
  const sections = [
    `.TH SOJOURN.${role.toUpperCase()}.YAML 5 "" Sojourn "Sojourn"`,
    '.SH NAME',
    roffText(`sojourn.${role}.yaml - configuration of the ${description}`),
    '.SH SYNOPSIS',
    roffText(`/etc/sojourn/${role}.yaml`),
    '.SH DESCRIPTION',
    ...paragraphs(ABOUT_FILES(role)),
    '.SH KEYS',
    roffText(
      '[] stands for each entry of a list: homes[].name is the key name of each entry of homes.',
    ),
    ...[...everyKey(keys)].flatMap(keyLines),
    '.SH EXIT STATUS',
    roffText(
      `sojourn-${role} --check and sojourn check exit with 0, or with 78 if something is wrong.`,
    ),
    ...(minimal === undefined
      ? []
      : ['.SH EXAMPLE', '.nf', ...minimal.trimEnd().split('\n').map(roffText), '.fi']),
    '.SH SEE ALSO',
    `.BR sojourn (1),\n.BR sojourn\\-${role} (8),\n.BR sojourn (7)`,
  ];
  return `${sections.join('\n')}\n`;
}

const ABOUT_FILES = (role: string): readonly string[] => [
  `sojourn-${role} reads one YAML file. An unknown key or a value outside its range is an error. ` +
    'All errors are reported at once, with file, line, column and remedy.',
  `Files /etc/sojourn/${role}.yaml.d/*.yaml are read after it, in the order of their names. ` +
    'Mappings are merged key by key; other values, including lists, replace earlier ones. ' +
    'Relative paths start at the directory of the file itself.',
  'On SIGHUP or sojourn reload, a running daemon reads all of them again. Reloadable keys take ' +
    'effect at once, others after a restart; a wrong configuration changes nothing.',
];

function paragraphs(all: readonly string[]): readonly string[] {
  return all.flatMap((one, at) => (at === 0 ? [roffText(one)] : ['.PP', roffText(one)]));
}

function keyLines(key: KeyDescription): readonly string[] {
  const facts = [
    typeAndUnit(key),
    ...(key.required ? ['required'] : []),
    ...(hasPlainDefault(key) ? [`default ${inlineYaml(key.default ?? null)}`] : []),
    ...(key.reloadable ? ['reloadable'] : []),
  ];
  return [
    '.TP',
    `.BR ${roffText(key.path)} " (${roffText(facts.join('; ')).replaceAll('"', '\\(dq')})"`,
    roffText(aboutKey(key)),
  ];
}

/** A line of text in which roff finds no request. */
export function roffText(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replace(/^(?=[.'])/, '\\&');
}
