/**
 * Measures the memory of the data plane's tables, in a separate process inside the lab (`node
 * --expose-gc bench/support/plane-load.ts N`): a tunnel and two routes for each of N mobile nodes.
 * Prints the growth of the resident set for each node, in octets.
 */
import { assert } from '#base/assert.ts';
import { openPlane } from '#host/plane/plane.ts';
import type { PlanePort } from '#runtime/ports.ts';
import { tunnelOf } from '../registrations.ts';

function residentOctets(): number {
  assert(globalThis.gc !== undefined, 'run with --expose-gc');
  globalThis.gc({ execution: 'sync', flavor: 'last-resort', type: 'major' });
  return process.memoryUsage().rss;
}

function fill(plane: PlanePort, first: number, last: number): void {
  for (let node = first; node < last; node += 1) {
    const { tunnel, routes } = tunnelOf(node);
    plane.tunnelSet(tunnel);
    for (const route of routes) plane.routeSet(route);
  }
}

const WARM_UP_NODES = 2000;
const nodes = Number(process.argv[2]);
const plane = openPlane({
  device: 'bench-plane',
  lookup: 'inner-destination',
  deviceMtu: 1460,
  udpPort: 0,
  threads: 1,
  mark: 0,
  raw: false,
  linkDevices: [],
  holdMs: 0,
});
fill(plane, 0, WARM_UP_NODES);
const before = residentOctets();
fill(plane, WARM_UP_NODES, WARM_UP_NODES + nodes);
const after = residentOctets();
plane.close();
process.stdout.write(JSON.stringify((after - before) / nodes));
