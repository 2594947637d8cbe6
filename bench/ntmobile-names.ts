/**
 * Measures the time from the first lookup of a name to the first octet from its server, in round
 * trips of the lab's links, with curl.
 */

import { startFileServers } from '#lab/demo/file-servers.ts';
import { MANY_NAMES } from '#lab/networks.ts';
import type { NtmobileNode } from '#lab/ntmobile/ntmobile-lab.ts';
import type { Lab } from '#lab/topology.ts';
import { median, percentile, progress } from './support/report.ts';

/** Milliseconds since the start of the request, measured by curl. */
interface Timed {
  readonly resolvedMs: number;
  readonly connectedMs: number;
  readonly firstOctetMs: number;
}

const PORT = 8081;
const FORMAT = '%{time_namelookup} %{time_connect} %{time_starttransfer}';

async function timed(lab: Lab, node: NtmobileNode, url: string): Promise<Timed> {
  const argv = ['curl', '-sS', '-o', '/dev/null', '-m', '10', '-w', FORMAT, url];
  const [resolvedMs = Number.NaN, connectedMs = Number.NaN, firstOctetMs = Number.NaN] = (
    await lab.exec(node.name, node.argv(argv))
  )
    .trim()
    .split(' ')
    .map((seconds) => Number(seconds) * 1000);
  return { resolvedMs, connectedMs, firstOctetMs };
}

/**
 * Looks up names of general nodes from behind a symmetric NAT, then the name of the other node just
 * after both daemons started, over the relay. The first data arrives half a round trip before the
 * connection is established.
 */
export async function measureNames(
  lab: Lab,
  [first, second]: readonly [NtmobileNode, NtmobileNode],
  count: number,
  delayMs: number,
): Promise<Record<string, number>> {
  const file = process.execPath;
  await startFileServers(lab, ['server6', second.name], file, 1_000_000, PORT);
  const general: Timed[] = [];
  for (const name of MANY_NAMES.slice(0, count))
    general.push(await timed(lab, first, `http://${name}:${PORT}/`));
  progress(`${general.length} names of general servers`);
  const between: Timed[] = [];
  for (let round = 0; round < Math.ceil(count / 4); round += 1) {
    for (const node of [first, second]) await node.stop();
    for (const node of [first, second]) await node.start();
    between.push(await timed(lab, first, `http://${second.domainName}:${PORT}/`));
  }
  progress(`${between.length} times the other node's name`);
  const toRelay = 2 * delayMs;
  const toNode = 4 * delayMs;
  const roundTrips = (values: readonly number[], unit: number): readonly number[] =>
    values.map((value) => value / unit);
  // The server's share: connection and request take a round trip each.
  const before = roundTrips(
    general.map(({ firstOctetMs }) => firstOctetMs - 2 * toRelay),
    toRelay,
  );
  const lookup = roundTrips(
    general.map(({ resolvedMs }) => resolvedMs),
    toRelay,
  );
  const data = roundTrips(
    between.map(({ resolvedMs, connectedMs }) => connectedMs - resolvedMs - toNode / 2),
    toNode,
  );
  return {
    general_name_resolved_median_round_trips: median(lookup),
    general_name_first_octet_less_server_median_round_trips: median(before),
    general_name_first_octet_less_server_max_round_trips: percentile(before, 100),
    node_first_data_median_round_trips: median(data),
    node_first_data_max_round_trips: percentile(data, 100),
  };
}
