/**
 * A translator without tunnels, in a separate process in a namespace (`node
 * bench/support/translation-end.ts '{…}'`): a plane that translates on its own device. Prints
 * "ready", runs until it gets a signal, then prints its counters.
 */
import type { DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { openPlane } from '#host/plane/plane.ts';

export interface TranslationEnd {
  readonly device: string;
  readonly threads: number;
  readonly translations: readonly DesiredTranslation[];
}

function start({ device, threads, translations }: TranslationEnd): void {
  const plane = openPlane({
    ...{
      device,
      lookup: 'inner-destination',
      deviceMtu: 1500,
      udpPort: 0,
      threads,
      mark: 0,
      raw: false,
    },
    ...{ linkDevices: [], holdMs: 0, translateOnDevice: true },
  });
  for (const translation of translations) plane.translationSet(translation);
  process.once('SIGTERM', () => {
    process.stdout.write(`${JSON.stringify(plane.counters())}\n`);
    plane.close();
    process.exit(0);
  });
  // Keeps the process running: Node does not count the packet threads.
  setInterval(() => {}, 60_000);
  process.stdout.write('ready\n');
}

start(JSON.parse(process.argv[2] ?? ''));
