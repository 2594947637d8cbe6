/** The nftables tables of the relay's host. */
import { run, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';

/** Lists the table of the running relay; throws if there is none. */
export const TABLE = ['nft', 'list', 'table', 'inet', 'sojourn-rsn'];

export async function untilNoTable(lab: Lab): Promise<void> {
  const gone = async (): Promise<boolean> => (await lab.attempt('rsn', TABLE)).code !== 0;
  await waitFor(gone, { timeoutMs: 5_000, what: 'the table to be deleted' });
}

/** Packets of connections through the relay that examples/rsn-restart.nft dropped. */
export async function droppedWhileAway(): Promise<number> {
  const table = await run(['nft', 'list', 'table', 'inet', 'sojourn-rsn-restart'], {
    namespace: 'rsn',
  });
  return [...table.matchAll(/counter packets (\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}
