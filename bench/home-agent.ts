/**
 * Measures the home agent's control path: authenticated Binding Updates per second on one core, and
 * memory for each binding, for the engine alone and for engine and reconciler, in plaintext and
 * sealed. Each row has its own process.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { inLab } from '#lab/enter.ts';
import { run } from '#lab/shell.ts';
import { type Plan, type Purpose, writeRegistrations } from './registrations.ts';
import { sealedBindings } from './sealed-bindings.ts';
import type { Load, LoadResult } from './support/home-agent-load.ts';
import { progress, type Report, type Row, thisMachine } from './support/report.ts';

interface HomeAgentSettings {
  /** Numbers of mobile nodes. Each number is one run. */
  readonly bindings: readonly number[];
  /** Minimum number of Binding Updates of each kind in a run. */
  readonly updates: number;
  /** The same with nodes that seal. */
  readonly sealed: readonly number[];
}

const WARM_UP_NODES = 4000;
const WARM_UP_ROUNDS = 3;
const LOAD_PROGRAM = new URL('support/home-agent-load.ts', import.meta.url).pathname;
const PLANE_PROGRAM = new URL('support/plane-load.ts', import.meta.url).pathname;
const ADDON = new URL('../native/build/sojourn.node', import.meta.url).pathname;
const LONGEST_RUN_MS = 300_000;

function planFor(nodes: number, roundsOfEach: number): Plan {
  const times = (purpose: Purpose): readonly Purpose[] =>
    Array.from({ length: roundsOfEach }, () => purpose);
  return { nodes, rounds: ['register', ...times('refresh'), ...times('move')] };
}

function isLoadResult(value: unknown): value is LoadResult {
  return (
    typeof value === 'object' && value !== null && 'phases' in value && 'bindingResident' in value
  );
}

async function runLoad(load: Load): Promise<LoadResult> {
  const argv = [process.execPath, '--expose-gc', LOAD_PROGRAM, JSON.stringify(load)];
  const result: unknown = JSON.parse(await run(argv, { timeoutMs: LONGEST_RUN_MS }));
  if (!isLoadResult(result)) throw new Error(`${LOAD_PROGRAM} printed something else`);
  return result;
}

/**
 * Octets for each tunnel with its two routes; null outside the lab or without the native addon,
 * where no data plane can be opened.
 */
async function planeOctets(nodes: number): Promise<number | null> {
  if (!inLab() || !existsSync(ADDON)) return null;
  progress(`data plane, ${nodes} tunnels`);
  const argv = [process.execPath, '--expose-gc', PLANE_PROGRAM, String(nodes)];
  return Number(await run(argv, { timeoutMs: LONGEST_RUN_MS }));
}

function rowsOf(name: string, nodes: number, result: LoadResult): readonly Row[] {
  return Object.entries(result.phases).map(
    ([phase, { perSecond, p50Us, p99Us, processorUs }], at) => ({
      'home agent': name,
      bindings: nodes,
      'Binding Updates': phase,
      'per second': Math.round(perSecond),
      'p50 µs': p50Us,
      'p99 µs': p99Us,
      'processor µs': processorUs,
      'octets per binding': at === 0 ? Math.round(result.bindingResident) : null,
      'after moves': at === 0 ? Math.round(result.bindingResidentLater) : null,
      'on the heap': at === 0 ? Math.round(result.bindingHeap) : null,
      'octets per authorised node': at === 0 ? Math.round(result.authorizedResident) : null,
    }),
  );
}

function resultsOf(
  prefix: string,
  { phases, ...memory }: LoadResult,
): Record<string, number | null> {
  const results: Record<string, number | null> = {};
  for (const [phase, { perSecond, p99Us }] of Object.entries(phases)) {
    results[`${prefix}_${phase}_per_second`] = Math.round(perSecond);
    results[`${prefix}_${phase}_p99_us`] = p99Us;
  }
  results[`${prefix}_binding_octets`] = Math.round(memory.bindingResident);
  results[`${prefix}_binding_octets_after_moves`] = Math.round(memory.bindingResidentLater);
  results[`${prefix}_binding_heap_octets`] = Math.round(memory.bindingHeap);
  results[`${prefix}_authorised_node_octets`] = Math.round(memory.authorizedResident);
  return results;
}

export async function homeAgent(settings: HomeAgentSettings): Promise<Report> {
  const directory = mkdtempSync(`${tmpdir()}/sojourn-bench-`);
  const rows: Row[] = [];
  const results: Record<string, number | null> = {};
  try {
    const warmUpPlan = planFor(WARM_UP_NODES, WARM_UP_ROUNDS);
    const warmUpFile = `${directory}/warm-up`;
    writeRegistrations(warmUpFile, warmUpPlan);
    for (const nodes of settings.bindings) {
      const plan = planFor(nodes, Math.max(1, Math.ceil(settings.updates / nodes)));
      const file = `${directory}/${nodes}`;
      progress(`${nodes} mobile nodes sign ${nodes * plan.rounds.length} Binding Updates`);
      writeRegistrations(file, plan);
      for (const reconciler of [false, true]) {
        const name = reconciler ? 'engine and reconciler' : 'engine';
        progress(`${name}, ${nodes} bindings`);
        const result = await runLoad({ plan, file, warmUpPlan, warmUpFile, reconciler });
        rows.push(...rowsOf(name, nodes, result));
        Object.assign(
          results,
          resultsOf(`${reconciler ? 'reconciled' : 'engine'}_${nodes}`, result),
        );
      }
      rmSync(file);
      const octets = await planeOctets(nodes);
      results[`plane_${nodes}_tunnel_octets`] = octets;
      if (octets !== null) {
        rows.push({
          'home agent': 'data plane',
          bindings: nodes,
          'octets per binding': Math.round(octets),
        });
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  for (const nodes of settings.sealed) {
    const found = await sealedBindings(nodes);
    rows.push(...found.rows);
    Object.assign(results, found.results);
  }
  return {
    benchmark: 'home-agent',
    machine: thisMachine(),
    settings: {
      bindings: settings.bindings.join(','),
      updates: settings.updates,
      sealed: settings.sealed.join(','),
    },
    rows,
    results,
  };
}
