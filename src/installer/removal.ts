/** What has to happen before the installed files are removed. */
import { join } from 'node:path';
import type { Layout } from './layout.ts';

type CommandLine = readonly [program: string, ...parameters: readonly string[]];

/** Stops the daemons, and opens a kill switch that they left: nothing could open it afterwards. */
export function commandsBeforeRemoval(
  layout: Layout,
  manifest: readonly string[],
  isSystemdRunning: boolean,
): readonly CommandLine[] {
  const units = manifest
    .filter((path) => path.startsWith(layout.units) && path.endsWith('.service'))
    .map((path) => path.slice(layout.units.length + 1));
  const stop: CommandLine = ['systemctl', 'disable', '--now', '--quiet', ...units];
  return [
    ...(isSystemdRunning ? [stop] : []),
    [join(layout.commands, 'sojourn'), 'killswitch', 'off'],
  ];
}
