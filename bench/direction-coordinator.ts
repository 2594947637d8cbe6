/**
 * Measures the direction coordinator's engine: directions per second on one core, and memory for
 * each registered node. The run has its own process.
 */
import { run } from '#lab/shell.ts';
import type {
  CoordinatorLoad,
  CoordinatorLoadResult,
} from './support/direction-coordinator-load.ts';
import { progress, type Report, thisMachine } from './support/report.ts';

const PROGRAM = new URL('support/direction-coordinator-load.ts', import.meta.url).pathname;
const ASKERS = 1000;
const LONGEST_RUN_MS = 900_000;

export interface CoordinatorSettings {
  /** Numbers of registered nodes. Each number is one run. */
  readonly nodes: readonly number[];
  readonly directions: number;
}

function isResult(value: unknown): value is CoordinatorLoadResult {
  return (
    typeof value === 'object' &&
    value !== null &&
    'directionsPerSecond' in value &&
    'octetsPerNode' in value
  );
}

async function runLoad({
  nodes,
  requesters,
  directions,
}: CoordinatorLoad): Promise<CoordinatorLoadResult> {
  const argv = [
    process.execPath,
    '--expose-gc',
    PROGRAM,
    String(nodes),
    String(requesters),
    String(directions),
  ];
  const result: unknown = JSON.parse(await run(argv, { timeoutMs: LONGEST_RUN_MS }));
  if (!isResult(result)) throw new Error(`${PROGRAM} printed something else`);
  return result;
}

export async function directionCoordinator({
  nodes,
  directions,
}: CoordinatorSettings): Promise<Report> {
  const rows: Record<string, number>[] = [];
  const results: Record<string, number> = {};
  for (const count of nodes) {
    progress(`${count} nodes`);
    const found = await runLoad({ nodes: count, requesters: Math.min(ASKERS, count), directions });
    rows.push({
      'registered nodes': count,
      'directions per second': Math.round(found.directionsPerSecond),
      'handshakes with registration per second': Math.round(found.registrationsPerSecond),
      'octets per node on the heap': Math.round(found.octetsPerNode),
      'resident octets per node': Math.round(found.residentPerNode),
    });
    results[`nodes_${count}_directions_per_second`] = Math.round(found.directionsPerSecond);
    results[`nodes_${count}_octets_per_node`] = Math.round(found.octetsPerNode);
  }
  return {
    benchmark: 'direction-coordinator',
    machine: thisMachine(),
    settings: { directions },
    rows,
    results,
  };
}
