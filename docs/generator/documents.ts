/** All generated documents, by path below the repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandManual } from './command-manual.ts';
import { commandsPage } from './commands-page.ts';
import { configurationPage } from './configuration-page.ts';
import { daemonManual } from './daemon-manual.ts';
import { configurationOf, REPOSITORY, roles } from './daemons.ts';
import { eventsPage } from './events-page.ts';
import { exampleFile } from './example-file.ts';
import { manualPage } from './manual-page.ts';
import { metricsPage } from './metrics-page.ts';

export async function documents(): Promise<ReadonlyMap<string, string>> {
  const daemons = await Promise.all(roles().map(configurationOf));
  const written = new Map([
    ['docs/reference/configuration.md', configurationPage(daemons, saidOfWrong())],
    ['docs/reference/cli.md', commandsPage()],
    ['man/sojourn.1', commandManual()],
    ['docs/reference/events.md', eventsPage()],
    ['docs/reference/metrics.md', metricsPage()],
  ]);
  for (const daemon of daemons) {
    const example = `examples/${daemon.role}.yaml`;
    written.set(example, exampleFile(daemon, readIfThere(example)));
    const page = manualPage(daemon, readIfThere(`examples/${daemon.role}.minimal.yaml`));
    written.set(`man/sojourn.${daemon.role}.yaml.5`, page);
    written.set(`man/sojourn-${daemon.role}.8`, daemonManual(daemon.role));
  }
  return written;
}

/** The lines after `#> ` in test/configurations, by `<daemon>: error`. */
function saidOfWrong(): ReadonlyMap<string, readonly string[]> {
  const directory = join(REPOSITORY, 'test/configurations');
  const files = readdirSync(directory)
    .sort()
    .flatMap((role) => {
      const names = readdirSync(join(directory, role)).filter((name) => name.endsWith('.yaml'));
      return names.sort().map((name) => [role, name] as const);
    });
  return new Map(
    files.map(([role, name]) => {
      const lines = readFileSync(join(directory, role, name), 'utf8').split('\n');
      const words = name.replace('.yaml', '').replaceAll('-', ' ');
      const faults = lines.filter((line) => line.startsWith('#> ')).map((line) => line.slice(3));
      return [`${role}: ${words}`, faults];
    }),
  );
}

/** The content of a file of the repository; undefined if it does not exist. */
export function readIfThere(path: string): string | undefined {
  const file = join(REPOSITORY, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
