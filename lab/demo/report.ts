/** The demo's table, for people. */

export interface Visit {
  readonly from: string;
  readonly to: string;
  readonly careOfAddress: string;
  readonly encapsulation: string;
  /** Binding Update to Binding Acknowledgement. */
  readonly signallingMs: number | undefined;
  /** From the usable address to the first answer of the pings through the home address. */
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

type Align = 'left' | 'right';
const COLUMNS: readonly (readonly [string, Align, (visit: Visit) => string])[] = [
  ['from', 'left', (visit) => visit.from],
  ['to', 'left', (visit) => visit.to],
  ['care-of address', 'left', (visit) => visit.careOfAddress],
  ['carried in', 'left', (visit) => visit.encapsulation],
  ['signalling ms', 'right', (visit) => milliseconds(visit.signallingMs)],
  ['first packet ms', 'right', (visit) => milliseconds(visit.firstPacketMs)],
  ['TCPv6 stall ms', 'right', (visit) => milliseconds(visit.stall6Ms)],
  ['TCPv4 stall ms', 'right', (visit) => milliseconds(visit.stall4Ms)],
  ['lost v6', 'right', (visit) => String(visit.lost6)],
  ['lost v4', 'right', (visit) => String(visit.lost4)],
];

function milliseconds(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** The table as lines, columns aligned. */
export function handoverTable(visits: readonly Visit[]): string {
  const rows = [COLUMNS.map(([title]) => title), ...visits.map((visit) => COLUMNS.map(([, , show]) => show(visit)))];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (COLUMNS[at]?.[1] === 'right' ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n');
}

export function totalsLine(totals: Totals): string {
  const mebibytes = (totals.octets / 2 ** 20).toFixed(0);
  const checksum = totals.checksumsRight ? 'checksums ok' : 'CHECKSUM WRONG';
  return `total: ${mebibytes} MiB downloaded, ${checksum}, resets ${totals.resets}, pings lost ${totals.pingsLost}`;
}
