/**
 * `npm run package:deb`: a Debian package with the files that `sojourn install` installs.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packageVersion } from '#daemon/version.ts';
import { filesBelow } from './files-below.ts';
import { CONFIGURATION_DIRECTORY, layoutOf } from './layout.ts';
import { payload, unitNames } from './payload.ts';
import { installFiles } from './placement.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const SCRIPTS = ['postinst', 'prerm', 'postrm'] as const;
/** Binaries with symbols that are not needed at run time. */
const STRIPPED = ['native/build/sojourn.node', 'bin/node'];

/** Makes the package in `directory` and returns its path. Throws the error of a failed program. */
export function makeDebianPackage(directory: string): string {
  const root = mkdtempSync(join(tmpdir(), 'sojourn-deb-'));
  try {
    return make(root, resolve(directory));
  } finally {
    rmSync(root, { recursive: true });
  }
}

function make(root: string, directory: string): string {
  const layout = layoutOf('/usr');
  const architecture = run('dpkg', ['--print-architecture']);
  const epoch = lastChangeSeconds();
  // mkdtemp makes the directory with mode 0700; in the package it is "/".
  chmodSync(root, 0o755);
  installFiles(payload(REPOSITORY, layout), [CONFIGURATION_DIRECTORY], root);
  for (const path of STRIPPED) run('strip', ['--strip-unneeded', join(root, layout.code, path)]);
  write(join(root, layout.documents, 'copyright'), template('copyright'));
  write(join(root, layout.documents, 'changelog.gz'), gzipSync(changelog(epoch), { level: 9 }));
  // Debian has the license in /usr/share/common-licenses.
  rmSync(join(root, layout.documents, 'LICENSE'));

  const files = filesBelow(root, '.').filter((path) => !path.startsWith('DEBIAN'));
  const octets = files.reduce((sum, path) => sum + statSync(join(root, path)).size, 0);
  const values: Readonly<Record<string, string>> = {
    ...{
      VERSION: packageVersion(),
      ARCHITECTURE: architecture,
      SIZE: String(Math.ceil(octets / 1024)),
    },
    ...{
      LIBC: run('getconf', ['GNU_LIBC_VERSION']).replace('glibc ', ''),
      LIBSTDCXX: run('g++', ['-dumpversion']),
    },
    UNITS: unitNames(REPOSITORY).join(' '),
  };
  write(join(root, 'DEBIAN/control'), template('control', values));
  write(join(root, 'DEBIAN/md5sums'), files.map((path) => md5Line(root, path)).join(''));
  for (const name of SCRIPTS) write(join(root, 'DEBIAN', name), template(name, values), 0o755);

  mkdirSync(directory, { recursive: true });
  const target = join(directory, `sojourn_${packageVersion()}_${architecture}.deb`);
  // A fast zstd level: the package is mostly Node, which slow levels hardly make smaller.
  const options = ['--root-owner-group', '-Zzstd', '-z6', '--build', root, target];
  run('dpkg-deb', options, { SOURCE_DATE_EPOCH: String(epoch) });
  return target;
}

function write(path: string, content: string | Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

function template(name: string, values: Readonly<Record<string, string>> = {}): string {
  const text = readFileSync(join(REPOSITORY, 'packaging/debian', name), 'utf8');
  return text.replaceAll(/@([A-Z]+)@/g, (whole, key: string) => values[key] ?? whole);
}

function md5Line(root: string, path: string): string {
  return `${createHash('md5')
    .update(readFileSync(join(root, path)))
    .digest('hex')}  ${path}\n`;
}

function changelog(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000');
  const maintainer = /^Maintainer: (.*)$/m.exec(template('control'))?.[1] ?? '';
  return (
    `sojourn (${packageVersion()}) unstable; urgency=medium\n\n  * Made from the sources.\n\n ` +
    `-- ${maintainer}  ${date}\n`
  );
}

/** Reproducible builds: the time of the last commit, or of package.json outside a repository. */
function lastChangeSeconds(): number {
  const git = spawnSync('git', ['-C', REPOSITORY, 'log', '-1', '--format=%ct'], {
    encoding: 'utf8',
  });
  const seconds = Number(git.stdout);
  if (git.status === 0 && seconds > 0) return seconds;
  return Math.floor(statSync(join(REPOSITORY, 'package.json')).mtimeMs / 1000);
}

function run(
  program: string,
  parameters: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): string {
  const { error, status, stdout, stderr } = spawnSync(program, parameters, {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (error !== undefined) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  return stdout.trim();
}

if (import.meta.main) {
  const target = makeDebianPackage(process.argv[2] ?? join(REPOSITORY, 'dist'));
  console.log(`${target} (${(statSync(target).size / 1e6).toFixed(1)} MB)`);
}
