/** Paths that break in silence: a router drops packets, and every link keeps its carrier. */
import { performance } from 'node:perf_hooks';
import { Pinger } from '#lab/demo/pinger.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';

/** The router drops what matches one of the rules; resolves with the time of that. */
export async function breakPath(
  lab: Lab,
  router: string,
  rules: readonly string[] = [''],
): Promise<number> {
  const drops = rules.map((rule) => `${rule} drop;`).join(' ');
  const hook = 'type filter hook forward priority -300;';
  await lab.exec(router, ['nft', `table inet broken { chain dropping { ${hook} ${drops} }; }`]);
  return performance.now();
}

export async function repairPath(lab: Lab, router: string): Promise<void> {
  await lab.exec(router, ['nft', 'delete table inet broken']);
}

/** Echo requests that are answered now; the pinger goes on. */
export async function answeredPinger(namespace: string, address: string): Promise<Pinger> {
  const pinger = new Pinger(namespace, address, 100);
  await waitFor(() => pinger.received > 10, { timeoutMs: 20_000, what: 'answers to ping' });
  return pinger;
}

/** Milliseconds from `since` until a request is answered, long enough after it. */
export async function stallOf(pinger: Pinger, since: number): Promise<number> {
  const first = await waitFor(() => pinger.firstAnswerMs(since + 50), {
    timeoutMs: 30_000,
    what: 'an answer after the path broke',
    intervalMs: 20,
  });
  return first - since;
}
