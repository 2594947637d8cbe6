/**
 * Measures Teredo in the same networks as NTMobile before: the same NATs, the same server, the same
 * tools.
 */
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { startTeredo, TeredoClient, teredoObstacle } from '#lab/ntmobile/teredo.ts';
import { reachesEachOther, TeredoHost } from '#lab/ntmobile/teredo-matrix.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import type { DemoOutput } from './demo-output.ts';
import { curl, Download } from './download.ts';
import { startFileServers } from './file-servers.ts';
import type { DemoMove } from './ntmobile-report.ts';
import { alignedTable, type Column, milliseconds } from './table.ts';

/** Downloads from the IPv6-only server in one network of a node, by socket family. */
interface ServerRow {
  readonly at: string;
  readonly teredoByIpv6: boolean;
  readonly teredoByIpv4: boolean;
  /** True if both downloads ran there with NTMobile. */
  readonly ntmobile: boolean;
}

/** Networks of two nodes that try to reach each other. */
interface PairRow {
  readonly first: string;
  readonly second: string;
  readonly teredo: boolean;
  readonly ntmobile: string;
}

/** A download from the IPv6-only server while its node moves. */
interface MoveRow {
  readonly from: string;
  readonly to: string;
  /** Octets received in that time after the new address was usable. */
  readonly octetsAfter: number;
  readonly observedMs: number;
}

type TeredoComparison =
  | { readonly obstacle: string }
  | {
      readonly servers: readonly ServerRow[];
      readonly pairs: readonly PairRow[];
      readonly move: MoveRow;
    };

const SERVER = 'gn6.example';
const QUALIFICATION_MS = 5_000;
const REACH_MS = 20_000;
const AFTER_MOVE_MS = 5_000;
/** The demo's first server has sent its file to the end; this one has its rate limit again. */
const MOVE_OCTETS_PER_SECOND = 1_000_000;

const SERVER_COLUMNS: readonly Column<ServerRow>[] = [
  ['mn is at', 'left', ({ at }) => at],
  [`Teredo: ${SERVER} by v6`, 'left', ({ teredoByIpv6 }) => (teredoByIpv6 ? 'reached' : 'no')],
  ['by v4', 'left', ({ teredoByIpv4 }) => (teredoByIpv4 ? 'reached' : 'no')],
  ['NTMobile: both', 'left', ({ ntmobile }) => (ntmobile ? 'reached' : 'no')],
];
const PAIR_COLUMNS: readonly Column<PairRow>[] = [
  ['mn is at', 'left', ({ first }) => first],
  ['mn2 is at', 'left', ({ second }) => second],
  ['Teredo', 'left', ({ teredo }) => (teredo ? 'reached' : 'no')],
  ['NTMobile', 'left', ({ ntmobile }) => ntmobile],
];

/** Whether an HTTP server answers, with any status. */
async function answersCurl(lab: Lab, node: string, option: string): Promise<boolean> {
  const argv = ['curl', option, '-sS', '-o', '/dev/null', '-m', '6', `http://${SERVER}/`];
  return (await lab.attempt(node, argv)).code === 0;
}

async function serverRow(
  lab: Lab,
  node: string,
  at: NetworkName,
  ntmobile: boolean,
): Promise<ServerRow> {
  await using _client = await TeredoHost.take(lab, node, at);
  return {
    at: NETWORKS[at].label,
    teredoByIpv6: await answersCurl(lab, node, '-6'),
    teredoByIpv4: await answersCurl(lab, node, '-4'),
    ntmobile,
  };
}

/** Moves from behind a NAT to a public address, as the NTMobile nodes did before. */
async function moveRow(lab: Lab, node: string, file: string): Promise<MoveRow> {
  const [from, to]: readonly [NetworkName, NetworkName] = ['nat-prc', 'ar4'];
  await lab.move(node, from);
  await lab.waitForAddress(node, 4);
  await using client = new TeredoClient(lab, node);
  const before = await client.address(QUALIFICATION_MS);
  if (before === undefined) throw new Error(`no Teredo address in ${NETWORKS[from].label}`);
  // Miredo reports a peer as unreachable if its first probes get no answer within seconds.
  await waitFor(() => answersCurl(lab, node, '-6'), {
    ...{ timeoutMs: REACH_MS, intervalMs: 500, what: `${SERVER} to answer by Teredo` },
  });
  const [server] = await startFileServers(lab, ['server6'], file, MOVE_OCTETS_PER_SECOND, 8080);
  using download = new Download(node, curl(`http://${SERVER}:8080/file`, '-6'));
  await download.began();
  await lab.move(node, to);
  await lab.waitForAddress(node, 4);
  const octets = download.octets;
  await new Promise((resolve) => setTimeout(resolve, AFTER_MOVE_MS));
  const octetsAfter = download.octets - octets;
  await server?.stop();
  return {
    from: NETWORKS[from].label,
    to: NETWORKS[to].label,
    octetsAfter,
    observedMs: AFTER_MOVE_MS,
  };
}

/** Measures Teredo in the networks of the steps, each network and each pair once. */
export async function compareWithTeredo(
  lab: Lab,
  output: DemoOutput,
  file: string,
  steps: readonly DemoMove[],
): Promise<TeredoComparison> {
  const obstacle = teredoObstacle();
  if (obstacle !== undefined) {
    output.print(`Teredo is left out: ${obstacle}`);
    return { obstacle };
  }
  output.print('Teredo (miredo) in the same networks …');
  await startTeredo(lab);
  const servers: ServerRow[] = [];
  const visited = Map.groupBy(steps, ({ networks: [mn] }) => mn);
  for (const [at, there] of visited) {
    const flowed = there.every((step) => step.flowed);
    if (NETWORKS[at].ipv6 === undefined) servers.push(await serverRow(lab, 'mn', at, flowed));
  }
  const pairs: PairRow[] = [];
  for (const {
    networks: [mn, mn2],
    pathState,
    flowed,
  } of steps.filter((step) => step.networks.every(isTranslated))) {
    await using first = await TeredoHost.take(lab, 'mn', mn);
    await using second = await TeredoHost.take(lab, 'mn2', mn2);
    const teredo = await reachesEachOther(lab, first, second);
    pairs.push({
      first: NETWORKS[mn].label,
      second: NETWORKS[mn2].label,
      teredo,
      ntmobile: flowed ? `reached, ${pathState}` : 'no',
    });
  }
  const move = await moveRow(lab, 'mn', file);
  output.print(
    `${alignedTable(SERVER_COLUMNS, servers)}\n\n${alignedTable(PAIR_COLUMNS, pairs)}\n`,
  );
  output.print(
    `a download by Teredo from ${move.from} to ${move.to}: ${move.octetsAfter} octets in the ` +
      `${milliseconds(move.observedMs)} ms after the new address`,
  );
  return { servers, pairs, move };
}

function isTranslated(name: NetworkName): boolean {
  return NETWORKS[name].nat.length > 0;
}
