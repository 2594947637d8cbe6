/**
 * docs/reference/configuration.md: what all configuration files have in common, and one table for
 * each daemon.
 */
import { everyKey, type KeyDescription } from '#daemon/configuration/config-schema.ts';
import type { DaemonConfiguration } from './daemons.ts';
import { aboutKey, hasPlainDefault, inlineYaml, typeAndUnit } from './text.ts';

const INTRODUCTION = `# Configuration

Each daemon reads one YAML file, by custom \`/etc/sojourn/<daemon>.yaml\`. \`examples/<daemon>.minimal.yaml\` is the least that works, \`examples/<daemon>.yaml\`
has every key with its default. This page is written by \`npm run docs\` from the schemas in \`daemons/*/config.ts\`, as are the examples and the man pages
sojourn.\\<daemon\\>.yaml(5).

Keys (\`key\`, or a file named by \`keyFile\`) are written as \`hex:…\`, \`base64:…\` or \`text:…\`. A file that holds one must not be readable by every user.

## Drop-ins

Files \`/etc/sojourn/<daemon>.yaml.d/*.yaml\` are read after the file itself, in the order of their names, so that packages, sites and machines each say their
part in a file of their own. They are one configuration:

* Mappings are merged, key by key and however deep. Everything else, a list too, takes the place of what was said before: a drop-in with \`mobileNodes\` has
  all of them.
* Relative paths start at the directory of \`<daemon>.yaml\`, wherever they are written.
* Hidden files, directories and what does not end in \`.yaml\` are passed over. A drop-in in which nothing is said, or a file without drop-ins, is no fault.

\`\`\`
# /etc/sojourn/ha.yaml.d/10-local.yaml
daemon:
  logLevel: debug
maximumLifetimeSeconds: 1200
\`\`\`

## Checking

\`\`\`
sojourn check ha                          # /etc/sojourn/ha.yaml with its drop-ins; another file: sojourn check ha FILE
sojourn --json check ha                   # { "file", "ok", "faults": [{ "file", "line", "column", "path", "message", "remedy" }], "warnings" }
sojourn-ha --check --config FILE          # the same, [--json]
\`\`\`

tells everything that is wrong at once, each fault with the file, line and column where the value was written, the key, and what to do about it, and touches
nothing. It ends with 0 or 78. A daemon that is started with a wrong configuration says the same and ends with 78 likewise (the units do not start
it again then).

## Reloading

\`\`\`
sojourn reload                            # systemctl reload sojourn-ha, or kill -HUP, does the same
in force now
  maximumBindings: 100000 → 50000
  mobileNodes[2]: added {"identifier":"carol@example.net","homeAddresses":["2001:db8:1:100::12"], …}
only after a restart
  udpPort: 4191 → 4192
\`\`\`

makes a daemon read its file, the drop-ins and the key files anew. What of it is different and marked *reload* below is in force at once; of everything
else it says that it needs a restart, now and at each reload until there was one. A wrong configuration is refused as a whole, with every
fault, and the daemon goes on as it is (exit code 78). Where a new value is right only together with another one that needs a restart, nothing is taken. The
log has each change as \`config-reloaded\` or \`config-needs-restart\` with \`old\` and \`new\` ([events](events.md)), never a secret. With \`--json\`:
\`{ "applied": [{ "setting", "old", "new" }], "needsRestart": [ … ] }\`, or \`{ "error", "faults" }\`; null stands for what is not there.
\`--log-level\` on the command line stands before \`daemon.logLevel\`.
`;

/** `faults`: what daemons say of wrong configurations, by title. */
export function configurationPage(
  daemons: readonly DaemonConfiguration[],
  faults: ReadonlyMap<string, readonly string[]>,
): string {
  return [INTRODUCTION, ...daemons.map(section), faultSection(faults)].join('\n');
}

function faultSection(faults: ReadonlyMap<string, readonly string[]>): string {
  const shown = [...faults].map(
    ([title, lines]) => `# ${title}\n${lines.map((line) => `${line}\n`).join('')}`,
  );
  return `## What is said of wrong configurations

Of those in \`test/configurations\`, each of which the tests give to its daemon:

\`\`\`
${shown.join('\n')}\`\`\`
`;
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
  const given = key.required
    ? 'required'
    : hasPlainDefault(key)
      ? code(inlineYaml(key.default ?? null))
      : '';
  const cells = [
    code(key.path),
    cell(typeAndUnit(key)),
    given,
    key.reloadable ? 'yes' : '',
    cell(aboutKey(key)),
  ];
  return `| ${cells.join(' | ')} |`;
}

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

const cell = (text: string): string => text.replaceAll(/[|<>*_]/g, (found) => `\\${found}`);
