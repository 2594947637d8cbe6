/** The demo's table of moves. */
import { alignedTable, type Column, milliseconds } from './table.ts';

export interface Visit {
  readonly from: string;
  readonly to: string;
  readonly careOfAddress: string;
  readonly encapsulation: string;
  /** Handshakes of the move; others carry a sealed Binding Update alone. */
  readonly handshakes: number;
  /** Time from Binding Update to Binding Acknowledgement. */
  readonly signallingMs: number | undefined;
  /** Time from the usable address to the first answer to a ping from the home address. */
  readonly firstPacketMs: number | undefined;
  readonly stall6Ms: number;
  readonly stall4Ms: number;
  readonly lost6: number;
  readonly lost4: number;
}

export interface Totals {
  readonly octets: number;
  readonly checksumsRight: boolean;
  readonly resets: number;
  readonly pingsLost: number;
}

const COLUMNS: readonly Column<Visit>[] = [
  ['from', 'left', (visit) => visit.from],
  ['to', 'left', (visit) => visit.to],
  ['care-of address', 'left', (visit) => visit.careOfAddress],
  ['carried in', 'left', (visit) => visit.encapsulation],
  ['handshakes', 'right', (visit) => String(visit.handshakes)],
  ['signalling ms', 'right', (visit) => milliseconds(visit.signallingMs)],
  ['first packet ms', 'right', (visit) => milliseconds(visit.firstPacketMs)],
  ['TCPv6 stall ms', 'right', (visit) => milliseconds(visit.stall6Ms)],
  ['TCPv4 stall ms', 'right', (visit) => milliseconds(visit.stall4Ms)],
  ['lost v6', 'right', (visit) => String(visit.lost6)],
  ['lost v4', 'right', (visit) => String(visit.lost4)],
];

/** The table as lines, columns aligned. */
export function handoverTable(visits: readonly Visit[]): string {
  return alignedTable(COLUMNS, visits);
}

export function totalsLine(totals: Totals): string {
  const mebibytes = (totals.octets / 2 ** 20).toFixed(0);
  const checksum = totals.checksumsRight ? 'checksums ok' : 'CHECKSUM WRONG';
  return (
    `total: ${mebibytes} MiB downloaded, ${checksum}, resets ${totals.resets}, pings lost ` +
    `${totals.pingsLost}`
  );
}
