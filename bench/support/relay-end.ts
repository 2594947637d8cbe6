/**
 * A relay in a separate process in a namespace (`node bench/support/relay-end.ts '{…}'`): a plane
 * and its legs, without any protocol. Prints "ready" and runs until it gets a signal.
 */
import type { DesiredRelayLeg } from '#engine/contract/ntmobile.ts';
import { openPlane } from '#host/plane/plane.ts';

export interface RelayEnd {
  readonly device: string;
  readonly threads: number;
  readonly port: number;
  readonly legs: readonly DesiredRelayLeg[];
}

function start({ device, threads, port, legs }: RelayEnd): void {
  const plane = openPlane({
    ...{
      device,
      lookup: 'inner-destination',
      deviceMtu: 1400,
      udpPort: 0,
      sealedPort: port,
      threads,
      mark: 0,
      raw: false,
    },
    ...{ linkDevices: [], holdMs: 0 },
  });
  for (const leg of legs) plane.relayLegSet(leg);
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
