/** The files of an installation, each with its source and its target. */
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
  /** A file to copy, or the content. */
  readonly from: { readonly file: string } | { readonly octets: Uint8Array };
}

/** The installation is not possible; `message` says why and what to do instead. */
export class InstallationRefused extends Error {
  override readonly name = 'InstallationRefused';
}

const PLAIN = 0o644;
const PROGRAM = 0o755;
const ADDON = 'native/build/sojourn.node';
const UNITS = 'systemd';
/** A drop-in of sysinit.target starts it. */
const BOOT_UNIT = 'killswitch-sojourn.service';

/** All files, from the sources in `repository`. Throws `InstallationRefused`. */
export function payload(repository: string, layout: Layout): readonly PayloadFile[] {
  const missing = [ADDON, 'package-lock.json', UNITS].find(
    (path) => !existsSync(join(repository, path)),
  );
  if (missing !== undefined) {
    const remedy =
      missing === ADDON
        ? 'run npm run build'
        : 'install from the sources, not from an installed copy';
    throw new InstallationRefused(`${join(repository, missing)} is missing (${remedy})`);
  }
  return [
    ...code(repository, layout),
    ...units(repository, layout),
    ...programs(repository, layout),
    copied(repository, 'packaging/polkit/sojourn.rules', join(layout.policies, 'sojourn.rules')),
    copied(
      repository,
      'packaging/networkmanager/sojourn.conf',
      join(layout.networkManager, '60-sojourn.conf'),
    ),
    ...manual(repository, layout),
    ...documents(repository, layout),
    ...completions(repository, layout),
  ];
}

/** The names of the daemons, after their directories. */
function daemonNames(repository: string): readonly string[] {
  return readdirSync(join(repository, 'daemons')).toSorted();
}

/** The units of the daemons, such as `sojourn-ha.service`. */
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
    // The tested version of Node: that of Debian 12 is older and does not run TypeScript.
    { target: nodeOf(code), mode: PROGRAM, from: { file: process.execPath } },
  ];
}

function nodeOf(code: string): string {
  return join(code, 'bin/node');
}

/** The parts of package.json that Node reads: version, module type, targets of `#…` imports. */
function runtimePackage(repository: string): string {
  const whole = parseObject(readFileSync(join(repository, 'package.json'), 'utf8')) ?? {};
  const { name, version, description, license, type, imports } = whole;
  const internal = isJsonObject(imports)
    ? Object.entries(imports).filter(([, to]) => String(to).startsWith('./src/'))
    : [];
  const part = { name, version, description, license, type, imports: Object.fromEntries(internal) };
  return `${JSON.stringify(part, undefined, 2)}\n`;
}

function units(repository: string, layout: Layout): readonly PayloadFile[] {
  const daemons = unitNames(repository);
  const paths = filesBelow(repository, UNITS).filter(
    (path) =>
      !path.endsWith('.service') || daemons.includes(basename(path)) || path.endsWith(BOOT_UNIT),
  );
  return paths.map((path) => {
    const text = readFileSync(join(repository, path), 'utf8')
      .replaceAll('/usr/bin/', `${layout.commands}/`)
      .replaceAll('/usr/sbin/', `${layout.daemons}/`);
    const name = path.slice(UNITS.length + 1);
    return written(text, targetOf(name, layout));
  });
}

/** Files of systemd other than units get the name of the suite. */
function targetOf(name: string, layout: Layout): string {
  const { users, stateDirectories, units, networks } = layout;
  if (name.endsWith('.network')) return join(networks, name);
  if (name === 'sysusers.conf') return join(users, 'sojourn.conf');
  return name === 'tmpfiles.conf' ? join(stateDirectories, 'sojourn.conf') : join(units, name);
}

/**
 * `sojourn`, and each daemon under the name of its manual page. The scripts exec Node, so that the
 * main process of a unit is the daemon.
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

/** The completion scripts that the command line prints. */
function completions(repository: string, layout: Layout): readonly PayloadFile[] {
  const targets = {
    bash: join(layout.bashCompletions, 'sojourn'),
    zsh: join(layout.zshFunctions, '_sojourn'),
  };
  return Object.entries(targets).flatMap(([shell, target]) => {
    const printed = spawnSync(
      process.execPath,
      [join(repository, 'src/cli/cli.ts'), 'completion', shell],
      {
        encoding: 'utf8',
      },
    );
    return printed.status === 0 ? [written(printed.stdout, target)] : [];
  });
}
