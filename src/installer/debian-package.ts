/**
 * `npm run package:deb`: a Debian package out of the same files as `sojourn install` puts in place.
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
/** Made by the compiler with what nobody needs at run time. */
const STRIPPED = ['native/build/sojourn.node', 'bin/node'];

/** Makes the package in `directory` and answers with its path. Throws what dpkg-deb has to say. */
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
  // mkdtemp makes it for us alone; it stands for "/".
  chmodSync(root, 0o755);
  installFiles(payload(REPOSITORY, layout), [CONFIGURATION_DIRECTORY], root);
  for (const path of STRIPPED) run('strip', ['--strip-unneeded', join(root, layout.code, path)]);
  write(join(root, layout.documents, 'copyright'), template('copyright'));
  write(join(root, layout.documents, 'changelog.gz'), gzipSync(changelog(epoch), { level: 9 }));
  // Debian has it in one place for all.
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
  // Of zstd's levels the quick ones: most of it is Node, which the slow ones make little smaller.
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
  return `sojourn (${packageVersion()}) unstable; urgency=medium\n\n  * Made from the sources.\n\n -- ${maintainer}  ${date}\n`;
}

/** The same sources make the same package. Sources that are no repository: package.json's time. */
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
