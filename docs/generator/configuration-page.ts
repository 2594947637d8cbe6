/** docs/configuration.md: what all configuration files have in common, and one table for each daemon. */
import { everyKey, type KeyDescription } from '#ops/config-schema.ts';
import type { DaemonConfiguration } from './daemons.ts';
import { aboutKey, hasPlainDefault, inlineYaml, typeAndUnit } from './text.ts';

const INTRODUCTION = `# Configuration

Each daemon reads one YAML file, by custom \`/etc/sojourn/<daemon>.yaml\`. \`examples/<daemon>.minimal.yaml\` is the least that works, \`examples/<daemon>.yaml\`
has every key with its default. This page is written by \`npm run docs\` from the schemas in \`daemons/*/config.ts\`, as are the examples and the man pages
sojourn.\\<daemon\\>.yaml(5).

\`\`\`
sojourn check ha /etc/sojourn/ha.yaml     # or: sojourn-ha --check --config FILE
\`\`\`

tells everything that is wrong at once, each fault with file, line, column, key and what to do about it, and touches nothing. It ends with 0 or 78; a
daemon that is started with a wrong file ends with 78 likewise.

Keys (\`key\`, or a file named by \`keyFile\`) are written as \`hex:…\`, \`base64:…\` or \`text:…\`. A file that holds one must not be readable by every user.
Relative paths start at the directory of the configuration file.
`;

export function configurationPage(daemons: readonly DaemonConfiguration[]): string {
  return [INTRODUCTION, ...daemons.map(section)].join('\n');
}

function section({ role, description, keys }: DaemonConfiguration): string {
  const rows = [...everyKey(keys)].map(row);
  return `## ${role}.yaml: ${description}

| key | type | default | reload | what it is |
|---|---|---|---|---|
${rows.join('\n')}
`;
}

function row(key: KeyDescription): string {
  const given = key.required ? 'required' : hasPlainDefault(key) ? code(inlineYaml(key.default ?? null)) : '';
  const cells = [code(key.path), cell(typeAndUnit(key)), given, key.reloadable ? 'yes' : '', cell(aboutKey(key))];
  return `| ${cells.join(' | ')} |`;
}

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

const cell = (text: string): string => text.replaceAll(/[|<>*_]/g, (found) => `\\${found}`);
