/** The report that the NTMobile demo prints at its end. */
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import type { PathState } from '#lab/ntmobile/path-watch.ts';
import { alignedTable, type Column, milliseconds } from './table.ts';

/** The networks of the two nodes. */
export type NetworkPair = readonly [mn: NetworkName, mn2: NetworkName];

export interface DemoMove {
  readonly networks: NetworkPair;
  /** The nodes that moved there; empty if the demo started there. */
  readonly moved: string;
  /** The path between the nodes at the end of the step. */
  readonly pathState: PathState;
  /**
   * Time from the usable address to the last change of the path; undefined if it did not change.
   */
  readonly afterMs: number | undefined;
  /**
   * Stalls of the downloads from the IPv6-only server through an IPv6 and an IPv4 socket, and of
   * the download from the other node.
   */
  readonly stall6Ms: number;
  readonly stall4Ms: number;
  readonly stallBetweenMs: number;
  /** True if all three downloads were still running at the end of the step. */
  readonly flowed: boolean;
  /** Lost pings between the nodes. */
  readonly lost: number;
}

export interface NtmobileTotals {
  readonly octets: number;
  readonly checksumsRight: boolean;
  readonly resets: number;
}

/** Counts from the capture of one real link. */
export interface LinkCheck {
  readonly link: string;
  readonly frames: number;
  readonly tunnelled: number;
  readonly dropped: number;
  /** Frames that show a virtual address outside UDP. */
  readonly leaked: number;
  readonly first: string | undefined;
}

const STEPS: readonly Column<DemoMove>[] = [
  ['moved', 'left', (step) => step.moved],
  ['mn is at', 'left', ({ networks: [mn] }) => NETWORKS[mn].label],
  ['mn2 is at', 'left', ({ networks: [, mn2] }) => NETWORKS[mn2].label],
  ['mn to mn2', 'left', (step) => step.pathState],
  ['settled after ms', 'right', (step) => milliseconds(step.afterMs)],
  ['gn6 by v6: stall ms', 'right', (step) => milliseconds(step.stall6Ms)],
  ['gn6 by v4: stall ms', 'right', (step) => milliseconds(step.stall4Ms)],
  ['mn2: stall ms', 'right', (step) => milliseconds(step.stallBetweenMs)],
  ['pings lost', 'right', (step) => String(step.lost)],
];

export function stepTable(steps: readonly DemoMove[]): string {
  return alignedTable(STEPS, steps);
}

export function totalsText(
  { octets, checksumsRight, resets }: NtmobileTotals,
  links: readonly LinkCheck[],
): string {
  const mebibytes = (octets / 2 ** 20).toFixed(0);
  const leaked = links.reduce((sum, link) => sum + link.leaked, 0);
  const frames = links.reduce((sum, link) => sum + link.frames, 0);
  const names = links.map(({ link }) => link).join(', ');
  const wrong = links
    .filter(({ first }) => first !== undefined)
    .map(({ link, first }) => `\n  ${link}: ${first}`);
  const checksums = checksumsRight ? 'checksums ok' : 'CHECKSUM WRONG';
  return `total: ${mebibytes} MiB downloaded, ${checksums}, resets ${resets}
virtual addresses outside UDP: ${leaked} in ${frames} frames on ${names}${wrong.join('')}`;
}
