/** The initramfs of the virtual machine: busybox, its libraries, init.sh and the modules that mount
 * the host's root directory. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '#lab/shell.ts';
import type { StockKernel } from './stock-kernel.ts';

const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'virtio_rng'];
const INIT = join(import.meta.dirname, 'init.sh');

/** Writes the archive to `file`. */
export async function writeInitramfs(kernel: StockKernel, file: string): Promise<void> {
  const root = `${file}.root`;
  rmSync(root, { recursive: true, force: true });
  for (const directory of ['bin', 'modules']) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  const [busybox = ''] = (await run(['sh', '-c', 'command -v busybox'])).trim().split('\n');
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const library of await librariesOf(busybox)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
  copyFileSync(INIT, join(root, 'init'));
  const modules = await modulesInOrder(kernel);
  for (const module of modules) copyFileSync(module, join(root, 'modules', basename(module)));
  const order = modules.map((module) => `${basename(module)}\n`).join('');
  writeFileSync(join(root, 'modules/order'), order);
  const archive = 'chmod 755 init && find . | cpio --quiet --create --format=newc --owner=0:0';
  await run(['sh', '-c', `${archive} > "$1"`, 'sh', file], { directory: root });
  rmSync(root, { recursive: true });
}

/** Files of the shared libraries and of their loader. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const listed = await run(['sh', '-c', 'ldd "$1" 2>/dev/null || true', 'sh', program]);
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, file = '']) => file);
}

/** Files of the modules and of those they depend on, each after its dependencies. */
async function modulesInOrder(kernel: StockKernel): Promise<readonly string[]> {
  const base = dirname(dirname(kernel.modules));
  const options = ['--dirname', base, '--set-version', kernel.release, '--show-depends', '--all'];
  const steps = await run(['modprobe', ...options, ...MODULES]);
  const files = [...steps.matchAll(/^insmod (\S+)/gm)].map(([, file = '']) => file);
  return [...new Set(files)];
}
