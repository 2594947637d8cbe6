/** `sojourn install` and `sojourn uninstall`: from the sources, without a package manager. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { CONFIGURATION_DIRECTORY, type Layout, layoutOf } from './layout.ts';
import { InstallationRefused, payload } from './payload.ts';
import { installFiles, readManifest, removeFiles, writeManifest } from './placement.ts';
import { commandsBeforeRemoval } from './removal.ts';

/** The sources, or the installed copy, that contain this file. */
const HERE = join(import.meta.dirname, '../..');

interface InstallOptions {
  readonly prefix: string;
  /** The root directory; `/` is the running system, whose service manager is notified. */
  readonly destdir: string;
}

const manifestOf = ({ code }: Layout): string => join(code, 'manifest');

/**
 * Installs everything, also over an older installation. Returns the message for the operator.
 */
export function install(options: InstallOptions): string {
  const destination = resolve(options.destdir);
  const layout = layoutOf(options.prefix);
  if (
    existsSync(join(destination, layout.code)) &&
    readManifest(join(destination, manifestOf(layout))) === undefined
  ) {
    throw new InstallationRefused(
      `${layout.code} exists and was not made by "sojourn install" (if a package did, run ` +
        'apt remove sojourn first)',
    );
  }
  const previous = readManifest(join(destination, manifestOf(layout))) ?? [];
  const made = installFiles(
    payload(HERE, layout),
    [CONFIGURATION_DIRECTORY, layout.code],
    destination,
  );
  const whole = new Set([
    ...previous.filter((path) => path.endsWith('/')),
    ...made,
    manifestOf(layout),
  ]);
  removeFiles(
    previous.filter((path) => !whole.has(path)),
    destination,
  );
  writeManifest(join(destination, manifestOf(layout)), [...whole]);
  if (destination === '/') {
    runForOperator('systemd-sysusers', [join(layout.users, 'sojourn.conf')]);
    runForOperator('systemd-tmpfiles', ['--create', join(layout.stateDirectories, 'sojourn.conf')]);
    reloadUnits();
  }
  return [
    `installed ${made.length} files and directories: ${layout.code}, ` +
      `${join(layout.commands, 'sojourn')}, units in ${layout.units}`,
    ...(previous.length > 0
      ? ["running daemons still use the previous version: systemctl try-restart 'sojourn-*'"]
      : [
          `next: write ${CONFIGURATION_DIRECTORY}/ha.yaml (root:sojourn-ha, mode 0640; ` +
            `examples in ${layout.documents}/examples),`,
          '      then: systemctl enable --now sojourn-ha',
        ]),
  ].join('\n');
}

/** Removes the files that `install` made, and nothing else: configuration and state remain. */
export function uninstall(options: {
  readonly prefix: string | undefined;
  readonly destdir: string;
}): string {
  const destination = resolve(options.destdir);
  const layout = layoutOf(options.prefix ?? installedPrefix(destination) ?? '/usr/local');
  const manifest = readManifest(join(destination, manifestOf(layout)));
  if (manifest === undefined) {
    const message = `no installation below ${layout.prefix}: ${manifestOf(layout)} does not exist`;
    throw new InstallationRefused(
      `${message} (give --prefix, or remove a Debian package with apt remove sojourn)`,
    );
  }
  if (destination === '/')
    for (const [program, ...parameters] of commandsBeforeRemoval(
      layout,
      manifest,
      isSystemdRunning(),
    ))
      runForOperator(program, parameters);
  removeFiles(manifest, destination);
  if (destination === '/') reloadUnits();
  return `removed; ${CONFIGURATION_DIRECTORY}, /var/lib/sojourn and the users sojourn-* remain`;
}

/** `/usr/local` for a program that runs from `/usr/local/lib/sojourn` below `destination`. */
function installedPrefix(destination: string): string | undefined {
  const here = realpathSync(HERE);
  const [, prefix] = /^(.*)\/lib\/sojourn$/.exec(here) ?? [];
  if (prefix === undefined || !existsSync(join(here, 'manifest'))) return undefined;
  return join('/', relative(destination, prefix));
}

function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system');
}

function reloadUnits(): void {
  if (isSystemdRunning()) runForOperator('systemctl', ['daemon-reload']);
}

/** Runs a program, if it exists; the operator sees its output, on stderr. */
function runForOperator(program: string, parameters: readonly string[]): void {
  spawnSync(program, parameters, { stdio: ['ignore', 2, 'inherit'] });
}
