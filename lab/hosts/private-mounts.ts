/**
 * Runs a network manager beside others of its kind: in a mount namespace of its own, with private
 * state directories, and with a read-only /sys. The read-only /sys tells NetworkManager and
 * systemd-networkd that no udev runs, so they do not wait for it to announce the interfaces.
 */

/** The command that runs `argv` with a private tmpfs over each directory that exists. */
export function withPrivateMounts(
  directories: readonly string[],
  prepare: string,
  argv: readonly string[],
): readonly string[] {
  const mounts = directories.map((path) => `[ ! -d ${path} ] || mount -t tmpfs tmpfs ${path}`);
  const script = ['set -eu', READ_ONLY_SYS, ...mounts, prepare, 'exec "$@"'].join('\n');
  const unshare = ['unshare', '--mount', '--propagation', 'private'];
  return [...unshare, 'sh', '-c', script, 'host', ...argv];
}

const READ_ONLY_SYS = `mount --rbind /sys /sys
mount -o remount,bind,ro /sys`;
