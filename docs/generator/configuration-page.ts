/** docs/reference/configuration.md: common rules, then the keys of each daemon. */
import { everyKey, type KeyDescription } from '#daemon/configuration/config-schema.ts';
import type { DaemonConfiguration } from './daemons.ts';
import { cell, code, item } from './markdown.ts';
import { aboutKey, hasPlainDefault, inlineYaml, typeAndUnit, UNBROKEN, wrap } from './text.ts';

const WIDTH = 100;

const INTRODUCTION = `# Configuration

Each daemon reads one YAML file, \`/etc/sojourn/<daemon>.yaml\`.
\`examples/<daemon>.minimal.yaml\` is a minimal file, \`examples/<daemon>.yaml\` has every key with
its default. \`npm run docs\` writes this page, the examples and the man pages
sojourn.\\<daemon\\>.yaml(5) from the schemas in \`daemons/*/config.ts\`.

Write a secret key (\`key\`, or the content of a \`keyFile\`) as \`hex:…\`, \`base64:…\` or
\`text:…\`. A file that holds one must not be readable by every user.

## Drop-ins

Files \`/etc/sojourn/<daemon>.yaml.d/*.yaml\` are read after the file itself, in the order of their
names. Packages, sites and machines can each have a file of their own. Together they are one
configuration:

* Mappings are merged key by key, at any depth. Other values, including lists, replace earlier ones:
  a drop-in with \`mobileNodes\` replaces the whole list.
* Relative paths start at the directory of \`<daemon>.yaml\`, in drop-ins too.
* Hidden files, directories, and files that do not end in \`.yaml\` are ignored. An empty drop-in is
  allowed.

\`\`\`yaml
# /etc/sojourn/ha.yaml.d/10-local.yaml
daemon:
  logLevel: debug
maximumLifetimeSeconds: 1200
\`\`\`

## Checking

\`\`\`
sojourn check ha                    # /etc/sojourn/ha.yaml with its drop-ins
sojourn check ha FILE               # another file
sojourn --json check ha             # the same for programs
sojourn-ha --check --config FILE    # the same by the daemon itself, [--json]
\`\`\`

The check reports every fault at once, with file, line, column, key and remedy, and changes nothing.
It ends with exit code 0 or 78. A daemon that starts with a wrong configuration prints the same and
ends with 78; systemd does not restart it then.

With \`--json\`: \`file\`, \`ok\`, \`faults\` (\`file\`, \`line\`, \`column\`, \`path\`,
\`message\`, \`remedy\`) and \`warnings\`.

## Reloading

\`\`\`
sojourn reload                      # like systemctl reload sojourn-ha, or kill -HUP
in force now
  maximumBindings: 100000 → 50000
  mobileNodes[2]: added {"identifier":"carol@example.net", …}
only after a restart
  udpPort: 4191 → 4192
\`\`\`

The daemon reads its file, the drop-ins and the key files again. Changes of keys marked *reloadable*
take effect at once. The daemon lists the other changes, now and at each reload until the restart.

* A wrong configuration is rejected as a whole, with every fault, and the daemon continues with the
  former one (exit code 78).
* If a new value is valid only together with another one that needs a restart, nothing takes effect.
* The log has each change as \`config-reloaded\` or \`config-needs-restart\` with \`old\` and
  \`new\` ([Events](events.md)), never a secret.
* With \`--json\`: \`{ "applied": [{ "setting", "old", "new" }], "needsRestart": [ … ] }\`, or
  \`{ "error", "faults" }\`. An absent value is null.
* \`--log-level\` on the command line takes precedence over \`daemon.logLevel\`.
`;

/** `faults`: what daemons print about wrong configurations, by title. */
export function configurationPage(
  daemons: readonly DaemonConfiguration[],
  faults: ReadonlyMap<string, readonly string[]>,
): string {
  return [INTRODUCTION, ...daemons.map(section), faultSection(faults)].join('\n');
}

function faultSection(faults: ReadonlyMap<string, readonly string[]>): string {
  const shown = [...faults].map(([title, lines]) => `# ${title}\n${lines.map(faultText).join('')}`);
  return `## Messages about wrong configurations

These are the messages about the files in \`test/configurations\`. Long lines are wrapped here.

\`\`\`
${shown.join('\n')}\`\`\`
`;
}

/** Further lines are indented by four spaces. */
function faultText(line: string): string {
  const [first = '', ...rest] = wrap(line, '    ', WIDTH);
  return [first.trimStart(), ...rest].map((one) => `${one}\n`).join('');
}

function section({ role, description, keys }: DaemonConfiguration): string {
  return `## ${role}.yaml: ${description}\n\n${[...everyKey(keys)].map(keyItem).join('\n')}\n`;
}

function keyItem(key: KeyDescription): string {
  const facts = [
    cell(typeAndUnit(key)),
    ...(key.required ? ['**required**'] : []),
    ...(hasPlainDefault(key) ? [`default ${code(inlineYaml(key.default ?? null))}`] : []),
    ...(key.reloadable ? ['*reloadable*'] : []),
  ];
  const head = item(`${code(key.path)} (${facts.join('; ').replaceAll(' ', UNBROKEN)})<br>`);
  return [head, ...wrap(cell(aboutKey(key)), '  ', WIDTH)].join('\n');
}
