/**
 * A small Debian system of the host's release, from the package source of the host's apt: the base
 * of machines with systemd. Made once (a minute) and kept below build/, read-only afterwards.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#lab/shell.ts';

const DIRECTORY = join(import.meta.dirname, '../../build/debian-root');
/** The dependencies of the package, and programs that inspect the machine. */
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'nftables', 'libstdc++6', 'libatomic1'],
  ...['iproute2', 'iputils-ping', 'procps', 'systemd-resolved', 'polkitd', 'libpam-systemd'],
];
/** Units that would change the host's hardware or settings, or wait for a terminal. */
const MASKED = [
  ...[
    'systemd-udevd.service',
    'systemd-udev-trigger.service',
    'systemd-modules-load.service',
    'systemd-sysctl.service',
  ],
  ...[
    'systemd-remount-fs.service',
    'getty.target',
    'console-getty.service',
    'sys-kernel-debug.mount',
  ],
  ...[
    'sys-kernel-tracing.mount',
    'sys-fs-fuse-connections.mount',
    'dev-hugepages.mount',
    'systemd-tmpfiles-clean.timer',
  ],
  ...[
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ],
];

/** The root directory of the system. */
export async function debianRoot(): Promise<string> {
  const recipe = `${PACKAGES.join(' ')}\n${MASKED.join(' ')}\n`;
  const mark = join(DIRECTORY, 'etc/sojourn-test-recipe');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === recipe) return DIRECTORY;
  rmSync(DIRECTORY, { recursive: true, force: true });
  const fresh = `${DIRECTORY}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const release = codename();
  const command = [
    'debootstrap',
    '--variant=minbase',
    `--include=${PACKAGES.join(',')}`,
    release,
    fresh,
  ];
  await run([...command, await archiveOf(release)], { timeoutMs: 540_000 });
  await run(['chroot', fresh, 'systemctl', 'mask', '--quiet', ...MASKED]);
  await run(['chroot', fresh, 'apt-get', 'clean']);
  // Each machine gets its own machine-id.
  writeFileSync(join(fresh, 'etc/machine-id'), '');
  writeFileSync(join(fresh, 'etc/hostname'), 'machine\n');
  writeFileSync(join(fresh, 'etc/sojourn-test-recipe'), recipe);
  renameSync(fresh, DIRECTORY);
  return DIRECTORY;
}

function codename(): string {
  const [, name] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? [];
  if (name === undefined) throw new Error('/etc/os-release names no release: this needs Debian');
  return name;
}

/** The first archive of `release` in apt's sources. */
async function archiveOf(release: string): Promise<string> {
  const format = ['--format', '$(CODENAME) $(REPO_URI)', 'Created-By: Packages'];
  const lines = (await run(['apt-get', 'indextargets', ...format]))
    .split('\n')
    .map((line) => line.split(' '));
  const [, archive] = lines.find(([name]) => name === release) ?? [];
  if (archive === undefined) throw new Error(`apt has no source for ${release}`);
  return archive;
}
