/**
 * The part of the home agent's benchmark with sealed mobile nodes: handshakes and sealed Binding
 * Updates a second on one core, and memory for each sealed binding in JavaScript and in the data
 * plane together.
 */
import { existsSync } from 'node:fs';
import { inLab } from '#lab/enter.ts';
import { run } from '#lab/shell.ts';
import { progress, type Row } from './support/report.ts';
import type { SealedLoad, SealedLoadResult } from './support/sealed-load.ts';

const PROGRAM = new URL('support/sealed-load.ts', import.meta.url).pathname;
const ADDON = new URL('../native/build/sojourn.node', import.meta.url).pathname;
const LONGEST_RUN_MS = 900_000;
const WARM_UP_NODES = 4000;
const ROUNDS = 2;

interface SealedBindings {
  readonly rows: readonly Row[];
  readonly results: Readonly<Record<string, number | null>>;
}

function isResult(value: unknown): value is SealedLoadResult {
  return typeof value === 'object' && value !== null && 'phases' in value;
}

async function runLoad(load: SealedLoad): Promise<SealedLoadResult> {
  const argv = [process.execPath, '--expose-gc', PROGRAM, JSON.stringify(load)];
  const result: unknown = JSON.parse(await run(argv, { timeoutMs: LONGEST_RUN_MS }));
  if (!isResult(result)) throw new Error(`${PROGRAM} printed something else`);
  return result;
}

function rowsOf(name: string, nodes: number, result: SealedLoadResult): readonly Row[] {
  return Object.entries(result.phases).map(
    ([phase, { perSecond, p50Us, p99Us, processorUs }], at) => ({
      ...{ 'home agent': name, bindings: nodes, 'Binding Updates': phase },
      ...{ 'per second': Math.round(perSecond), 'p50 µs': p50Us, 'p99 µs': p99Us },
      'processor µs': processorUs,
      'octets per binding': at === 0 ? Math.round(result.bindingResident) : null,
      'after moves': at === 0 ? Math.round(result.bindingResidentLater) : null,
      'after rekey': at === 0 ? Math.round(result.bindingResidentRekeyed) : null,
      'on the heap': at === 0 ? Math.round(result.bindingHeap) : null,
      'octets per authorised node': at === 0 ? Math.round(result.authorizedResident) : null,
    }),
  );
}

function resultsOf(prefix: string, result: SealedLoadResult): Record<string, number> {
  const results: Record<string, number> = {};
  for (const [phase, { perSecond, p99Us }] of Object.entries(result.phases)) {
    const key = `${prefix}_${phase.replace('-', '_')}`;
    results[`${key}_per_second`] = Math.round(perSecond);
    results[`${key}_p99_us`] = p99Us;
  }
  results[`${prefix}_binding_octets`] = Math.round(result.bindingResident);
  results[`${prefix}_binding_octets_after_moves`] = Math.round(result.bindingResidentLater);
  results[`${prefix}_binding_octets_after_rekey`] = Math.round(result.bindingResidentRekeyed);
  results[`${prefix}_binding_heap_octets`] = Math.round(result.bindingHeap);
  return results;
}

/** The engine alone, and with reconciler and data plane, where there is one. */
export async function sealedBindings(nodes: number): Promise<SealedBindings> {
  const rows: Row[] = [];
  const results: Record<string, number> = {};
  const planes = inLab() && existsSync(ADDON) ? [false, true] : [false];
  for (const plane of planes) {
    const name = plane ? 'sealed, with reconciler and data plane' : 'sealed, engine';
    progress(`${name}, ${nodes} bindings`);
    const result = await runLoad({ nodes, rounds: ROUNDS, warmUpNodes: WARM_UP_NODES, plane });
    rows.push(...rowsOf(name, nodes, result));
    Object.assign(results, resultsOf(`${plane ? 'sealed_plane' : 'sealed'}_${nodes}`, result));
  }
  return { rows, results };
}
