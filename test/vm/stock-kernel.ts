/** Debian's stock kernel, from the package source of the host's apt, kept below build/vm/. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#lab/shell.ts';

/** The package that depends on the current kernel of the release. */
const META_PACKAGE = 'linux-image-amd64';

export interface StockKernel {
  /** As `uname -r` prints it: the release. */
  readonly release: string;
  readonly image: string;
  /** The directory that becomes /lib/modules. */
  readonly modules: string;
}

/** Downloads and unpacks the kernel unless `directory` has it. */
export async function stockKernel(
  directory: string,
  print: (text: string) => void,
): Promise<StockKernel> {
  const name = await currentPackage();
  const release = name.replace(/^linux-image-/, '');
  const unpacked = join(directory, release);
  const kernel: StockKernel = {
    release,
    image: join(unpacked, 'boot', `vmlinuz-${release}`),
    modules: join(unpacked, 'lib/modules'),
  };
  if (existsSync(join(kernel.modules, release, 'modules.dep'))) return kernel;
  print(`downloading ${name}`);
  const fresh = `${unpacked}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await run(['apt-get', 'download', '-q', name], { directory: fresh, timeoutMs: 600_000 });
  const archive = readdirSync(fresh).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get download ${name} left no package`);
  await run(['dpkg-deb', '--extract', archive, '.'], { directory: fresh, timeoutMs: 300_000 });
  rmSync(join(fresh, archive));
  // The package's own script does it when the package is installed.
  await run(['depmod', '--basedir', fresh, release], { timeoutMs: 120_000 });
  rmSync(unpacked, { recursive: true, force: true });
  renameSync(fresh, unpacked);
  return kernel;
}

async function currentPackage(): Promise<string> {
  const depends = await run(['apt-cache', 'depends', META_PACKAGE]);
  const [, name] = /^ +Depends: (linux-image-\S+)$/m.exec(depends) ?? [];
  if (name === undefined) {
    throw new Error(`apt knows no ${META_PACKAGE}: run apt-get update, on Debian for amd64`);
  }
  return name;
}
