/**
 * Connectivity matrix: NTMobile between every pair of access network kinds, after the start and
 * after moves, and Debian's Teredo behind the same NATs.
 */

import {
  bothAtOnce,
  type History,
  MATRIX_LAB,
  MatrixNodes,
  oneByOne,
  type Pair,
  type Reached,
} from '#lab/ntmobile/ntmobile-matrix.ts';
import { startTeredo, teredoObstacle } from '#lab/ntmobile/teredo.ts';
import { teredoAlone, teredoPairs } from '#lab/ntmobile/teredo-matrix.ts';
import { NETWORK_KINDS } from '#lab/ntmobile/traversal.ts';
import { nowMs } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { median, progress, type Report, type Row, thisMachine } from './support/report.ts';

export interface MatrixSettings {
  readonly ntmobile: boolean;
  readonly teredo: boolean;
}

const keyOf = ([first, second]: Pair): string => `${first} to ${second}`;
const HISTORIES: readonly History[] = ['fresh', 'one moved', 'both moved'];

/**
 * Extends a walk so that it ends at its first pair and covers every pair. A walk that moves one
 * node at a time returns in two steps; it also begins with the first pair, because the nodes may be
 * anywhere before.
 */
function walkOf(walk: Iterable<Pair>): readonly Pair[] {
  const [first, ...rest] = walk;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return [];
  const stepwise = rest[0]?.[0] === first[0];
  return stepwise ? [first, ...rest, [last[0], first[1]], first] : [...rest, first];
}

type Cells = Map<string, Partial<Record<History, Reached>>>;

async function measureNtmobile(): Promise<Cells> {
  const cells: Cells = new Map([...oneByOne()].map((pair) => [keyOf(pair), {}]));
  await using lab = await Lab.create(MATRIX_LAB);
  const travellers = await MatrixNodes.start(lab);
  const note = (reached: Reached): void => {
    const cell = cells.get(keyOf(reached.pair));
    if (cell !== undefined) cell[reached.history] ??= reached;
    if (!reached.connected || (reached.mayBeDirect && reached.pathState !== 'direct'))
      progress(`${keyOf(reached.pair)}, ${reached.history}: ${reached.pathState}`);
  };
  const startMs = nowMs();
  const progress = (what: string): void =>
    progress(`NTMobile, ${what}: ${Math.round((nowMs() - startMs) / 1000)} s`);
  for (const pair of oneByOne()) note(await travellers.fresh(pair));
  progress('each pair after a start');
  for (const pair of walkOf(oneByOne())) note(await travellers.move(pair));
  progress('one moving');
  for (const pair of walkOf(bothAtOnce())) note(await travellers.move(pair));
  progress('both moving');
  await travellers.stop();
  return cells;
}

interface Compared {
  readonly server6: ReadonlyMap<string, string>;
  readonly pairs: ReadonlyMap<string, boolean>;
}

async function measureTeredo(): Promise<Compared> {
  const server6 = new Map<string, string>();
  const pairs = new Map<string, boolean>();
  await using lab = await Lab.create({ ...MATRIX_LAB, servers: ['server6', 'teredo'] });
  await startTeredo(lab);
  for (const kind of NETWORK_KINDS) server6.set(kind, (await teredoAlone(lab, 'mn', kind)).server6);
  for await (const { first, second, reached } of teredoPairs(lab, ['mn', 'mn2'], NETWORK_KINDS))
    pairs.set(keyOf([first, second]), reached);
  progress('Teredo: every pair was tried');
  return { server6, pairs };
}

function shown(reached: Reached | undefined): string | null {
  if (reached === undefined) return null;
  return reached.connected ? reached.pathState : 'NOT REACHED';
}

function rowsOf(cells: Cells, teredo: Compared | undefined): readonly Row[] {
  return [...oneByOne()]
    .toSorted(
      ([a1, a2], [b1, b2]) =>
        NETWORK_KINDS.indexOf(a1) - NETWORK_KINDS.indexOf(b1) ||
        NETWORK_KINDS.indexOf(a2) - NETWORK_KINDS.indexOf(b2),
    )
    .map((pair) => {
      const cell = cells.get(keyOf(pair));
      const reached = teredo?.pairs.get(keyOf(pair));
      const theory =
        cell?.fresh === undefined ? null : cell.fresh.mayBeDirect ? 'direct' : 'relayed';
      return {
        ...{ from: pair[0], to: pair[1], 'by theory': theory },
        ...Object.fromEntries(HISTORIES.map((history) => [history, shown(cell?.[history])])),
        'fresh: answer ms': cell?.fresh?.answerMs ?? null,
        'direct ms': cell?.fresh?.directMs ?? null,
        Teredo: reached === undefined ? null : reached ? 'reached' : 'no',
      };
    });
}

function resultsOf(cells: Cells, teredo: Compared | undefined): Record<string, number | null> {
  const results: Record<string, number | null> = {};
  for (const history of HISTORIES) {
    const measured = [...cells.values()].flatMap((cell) => cell[history] ?? []);
    const expectedDirect = measured.filter(({ mayBeDirect }) => mayBeDirect);
    const key = history.replace(' ', '_');
    results[`${key}_pairs`] = measured.length;
    results[`${key}_connected`] = measured.filter(({ connected }) => connected).length;
    results[`${key}_direct_by_theory`] = expectedDirect.length;
    results[`${key}_direct`] = expectedDirect.filter(
      ({ pathState }) => pathState === 'direct',
    ).length;
    results[`${key}_answer_median_ms`] =
      measured.length === 0 ? null : median(measured.map(({ answerMs }) => answerMs));
  }
  if (teredo !== undefined) {
    results['teredo_pairs'] = teredo.pairs.size;
    results['teredo_connected'] = [...teredo.pairs.values()].filter((reached) => reached).length;
    for (const [kind, how] of teredo.server6)
      results[`teredo_ipv6_server_from_${kind.replaceAll(/[^a-zA-Z0-9]+/g, '_')}`] =
        how === 'no' ? 0 : 1;
  }
  return results;
}

export async function matrix(settings: MatrixSettings): Promise<Report> {
  const obstacle = teredoObstacle();
  if (settings.teredo && obstacle !== undefined) progress(`Teredo is left out: ${obstacle}`);
  const teredo = settings.teredo && obstacle === undefined ? await measureTeredo() : undefined;
  const cells: Cells = settings.ntmobile ? await measureNtmobile() : new Map();
  return {
    ...{ benchmark: 'matrix', machine: thisMachine(), settings: { ...settings } },
    ...{ rows: rowsOf(cells, teredo), results: resultsOf(cells, teredo) },
  };
}
