/** What is installed: each file with where it comes from and where it goes. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isJsonObject, parseObject } from '#daemon/control/json-lines.ts';
import { filesBelow } from './files-below.ts';
import type { Layout } from './layout.ts';
import { runtimeModules } from './runtime-modules.ts';

export interface PayloadFile {
  readonly target: string;
  readonly mode: number;
  /** A file to copy, or what it holds. */
  readonly from: { readonly file: string } | { readonly octets: Uint8Array };
}

/** Cannot be done; `message` says why and what to do instead. */
export class InstallationRefused extends Error {
  override readonly name = 'InstallationRefused';
}

const PLAIN = 0o644;
const PROGRAM = 0o755;
const ADDON = 'native/build/sojourn.node';
const UNITS = 'systemd';

/** Everything, for the sources in `repository`. Throws `InstallationRefused`. */
export function payload(repository: string, layout: Layout): readonly PayloadFile[] {
  const missing = [ADDON, 'package-lock.json', UNITS].find(
    (path) => !existsSync(join(repository, path)),
  );
  if (missing !== undefined) {
    const remedy =
      missing === ADDON
        ? 'npm run build makes it'
        : 'install from the sources, not from an installed copy';
    throw new InstallationRefused(`${join(repository, missing)} is missing (${remedy})`);
  }
  return [
    ...code(repository, layout),
    ...units(repository, layout),
    ...programs(repository, layout),
    copied(repository, 'packaging/polkit/sojourn.rules', join(layout.policies, 'sojourn.rules')),
    ...manual(repository, layout),
    ...documents(repository, layout),
    ...completions(repository, layout),
  ];
}

/** The daemons, by the names of their directories. */
export function daemonNames(repository: string): readonly string[] {
  return readdirSync(join(repository, 'daemons')).toSorted();
}

/** Of the daemons: `sojourn-ha.service`. */
export function unitNames(repository: string): readonly string[] {
  return daemonNames(repository).map((name) => `sojourn-${name}.service`);
}

const copied = (repository: string, path: string, target: string, mode = PLAIN): PayloadFile => ({
  target,
  mode,
  from: { file: join(repository, path) },
});

const written = (text: string, target: string, mode = PLAIN): PayloadFile => ({
  target,
  mode,
  from: { octets: new TextEncoder().encode(text) },
});

function code(repository: string, { code }: Layout): readonly PayloadFile[] {
  const sources = ['src', 'daemons'].flatMap((directory) => filesBelow(repository, directory));
  const files = [
    ...sources.filter((path) => path.endsWith('.ts')),
    ADDON,
    ...runtimeModules(repository),
  ];
  return [
    ...files.map((path) => copied(repository, path, join(code, path))),
    written(runtimePackage(repository), join(code, 'package.json')),
    // Node as it was tested: Debian 12 has an older one, which does not run TypeScript.
    { target: nodeOf(code), mode: PROGRAM, from: { file: process.execPath } },
  ];
}

function nodeOf(code: string): string {
  return join(code, 'bin/node');
}

/** What Node reads of it at run time: version, kind of modules, what `#…` stands for. */
function runtimePackage(repository: string): string {
  const whole = parseObject(readFileSync(join(repository, 'package.json'), 'utf8')) ?? {};
  const { name, version, description, license, type, imports } = whole;
  const ours = isJsonObject(imports)
    ? Object.entries(imports).filter(([, to]) => String(to).startsWith('./src/'))
    : [];
  return `${JSON.stringify({ name, version, description, license, type, imports: Object.fromEntries(ours) }, undefined, 2)}\n`;
}

function units(repository: string, layout: Layout): readonly PayloadFile[] {
  const daemons = unitNames(repository);
  const paths = filesBelow(repository, UNITS).filter(
    (path) => !path.endsWith('.service') || daemons.includes(basename(path)),
  );
  return paths.map((path) => {
    const text = readFileSync(join(repository, path), 'utf8')
      .replaceAll('/usr/bin/', `${layout.commands}/`)
      .replaceAll('/usr/sbin/', `${layout.daemons}/`);
    const name = path.slice(UNITS.length + 1);
    return written(text, placeOf(name, layout));
  });
}

/** What systemd reads besides units has the name of the suite. */
function placeOf(name: string, { users, stateDirectories, units }: Layout): string {
  if (name === 'sysusers.conf') return join(users, 'sojourn.conf');
  return name === 'tmpfiles.conf' ? join(stateDirectories, 'sojourn.conf') : join(units, name);
}

/**
 * `sojourn`, and each daemon by the name of its manual page. They become Node: what a unit starts
 * is the daemon itself.
 */
function programs(repository: string, { code, commands, daemons }: Layout): readonly PayloadFile[] {
  const program = (main: string): string =>
    `#!/bin/sh\nexec ${nodeOf(code)} ${join(code, main)} "$@"\n`;
  return [
    written(program('src/cli/cli.ts'), join(commands, 'sojourn'), PROGRAM),
    ...daemonNames(repository).map((name) =>
      written(program(`daemons/${name}/main.ts`), join(daemons, `sojourn-${name}`), PROGRAM),
    ),
  ];
}

function manual(repository: string, layout: Layout): readonly PayloadFile[] {
  const pages = existsSync(join(repository, 'man')) ? filesBelow(repository, 'man') : [];
  return pages.flatMap((path) => {
    const [, name, section] = /^man\/(.+\.(\d))$/.exec(path) ?? [];
    if (name === undefined) return [];
    const octets = gzipSync(readFileSync(join(repository, path)), { level: 9 });
    return [
      { target: join(layout.manual, `man${section}`, `${name}.gz`), mode: PLAIN, from: { octets } },
    ];
  });
}

function documents(repository: string, { documents }: Layout): readonly PayloadFile[] {
  const texts = filesBelow(repository, 'docs').filter((path) => path.endsWith('.md'));
  return [
    copied(repository, 'README.md', join(documents, 'README.md')),
    copied(repository, 'ARCHITECTURE.md', join(documents, 'ARCHITECTURE.md')),
    copied(repository, 'LICENSE', join(documents, 'LICENSE')),
    ...texts.map((path) => copied(repository, path, join(documents, path))),
    ...filesBelow(repository, 'examples').map((path) =>
      copied(repository, path, join(documents, path)),
    ),
  ];
}

/** As the command line itself writes them. */
function completions(repository: string, layout: Layout): readonly PayloadFile[] {
  const places = {
    bash: join(layout.bashCompletions, 'sojourn'),
    zsh: join(layout.zshFunctions, '_sojourn'),
  };
  return Object.entries(places).flatMap(([shell, target]) => {
    const asked = spawnSync(
      process.execPath,
      [join(repository, 'src/cli/cli.ts'), 'completion', shell],
      {
        encoding: 'utf8',
      },
    );
    return asked.status === 0 ? [written(asked.stdout, target)] : [];
  });
}
