/** Installs files and removes exactly those files again. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { PayloadFile } from './payload.ts';

/**
 * The installed paths, absolute on the running system, in the order of their creation. A directory
 * ends with a slash.
 */
type Manifest = readonly string[];

/**
 * Installs below `destination`, the root directory. A file replaces an older one atomically, so
 * that a running daemon keeps its version.
 */
export function installFiles(
  files: readonly PayloadFile[],
  directories: readonly string[],
  destination: string,
): Manifest {
  const made: string[] = [];
  // The root itself belongs to the system, or to the operator who names it, not to the manifest.
  mkdirSync(destination, { recursive: true });
  const makeDirectory = (path: string): void => {
    if (existsSync(join(destination, path))) return;
    makeDirectory(dirname(path));
    mkdirSync(join(destination, path));
    // mkdir alone would apply the umask.
    chmodSync(join(destination, path), 0o755);
    made.push(`${path}/`);
  };
  for (const directory of directories) makeDirectory(directory);
  for (const { target, mode, from } of files) {
    makeDirectory(dirname(target));
    const path = join(destination, target);
    const fresh = `${path}.new`;
    if ('file' in from) copyFileSync(from.file, fresh);
    else writeFileSync(fresh, from.octets);
    chmodSync(fresh, mode);
    renameSync(fresh, path);
    made.push(target);
  }
  return made;
}

/** Removes the files, then the empty directories. Already removed ones are no failure. */
export function removeFiles(manifest: Manifest, destination: string): void {
  const isDirectory = (path: string): boolean => path.endsWith('/');
  for (const path of manifest)
    if (!isDirectory(path)) rmSync(join(destination, path), { force: true });
  for (const path of manifest.toReversed())
    if (isDirectory(path)) removeEmpty(join(destination, path));
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw thrown;
  }
}

export function readManifest(file: string): Manifest | undefined {
  if (!existsSync(file)) return undefined;
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

export function writeManifest(file: string, manifest: Manifest): void {
  writeFileSync(file, `${manifest.join('\n')}\n`, { mode: 0o644 });
}
