/** Fuzzes both engines in turn and measures the memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HomeAgentFuzz } from './home-agent-fuzz.ts';
import { MobileNodeFuzz } from './mobile-node-fuzz.ts';

interface FuzzOptions {
  readonly count: number;
  readonly seed: number;
  readonly progress?: (done: number) => void;
}

interface FuzzResult {
  readonly seed: number;
  readonly datagrams: number;
  readonly accepted: number;
  readonly heapGrowthOctets: number;
  readonly homeAgent: Readonly<Record<string, number>>;
  readonly mobileNode: Readonly<Record<string, number>>;
  readonly mutations: Readonly<Record<string, number>>;
}

/** Parts of a run; memory is compared between the first and the last. */
const PARTS = 20;
const GROWTH_LIMIT_OCTETS = 8 * 1024 * 1024;

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return () => {
    if (typeof collect === 'function') collect();
  };
}

/** Throws with seed and datagram on the first violation. */
export function fuzz({ count, seed, progress }: FuzzOptions): FuzzResult {
  const collect = collector();
  const homeAgent = new HomeAgentFuzz(seed);
  const mobileNode = new MobileNodeFuzz(seed + 1);
  const heapAfterPart: number[] = [];
  const half = Math.ceil(count / PARTS / 2);
  for (let part = 0; part < PARTS; part++) {
    try {
      homeAgent.run(half);
      mobileNode.run(half);
    } catch (thrown) {
      throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    }
    collect();
    heapAfterPart.push(process.memoryUsage().heapUsed);
    progress?.(2 * half * (part + 1));
  }
  // The first parts fill caches and compile code.
  const heapGrowthOctets = (heapAfterPart.at(-1) ?? 0) - (heapAfterPart[4] ?? 0);
  if (heapGrowthOctets > GROWTH_LIMIT_OCTETS)
    throw new Error(`seed ${seed}: heap grew by ${heapGrowthOctets} octets`);
  return {
    seed,
    datagrams: 2 * half * PARTS,
    accepted: homeAgent.accepted,
    heapGrowthOctets,
    homeAgent: { ...homeAgent.counters },
    mobileNode: { ...mobileNode.counters },
    mutations: Object.fromEntries([...homeAgent.perMutation, ...mobileNode.perMutation]),
  };
}
