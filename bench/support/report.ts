/**
 * Output of a benchmark: a table, or with `--json` one object with stable keys
 * (docs/reference/benchmarks.md).
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

interface Machine {
  readonly kernel: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly system: string;
  /** Load average over a minute before the run and after it. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

const LOAD_BEFORE = loadavg()[0] ?? 0;

export function thisMachine(): Machine {
  const system = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return {
    kernel: release(),
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system,
    loadBefore: LOAD_BEFORE,
    loadAfter: loadavg()[0] ?? 0,
  };
}

/** One row of a table; keys are the columns. Numbers are right-aligned. */
export type Row = Readonly<Record<string, string | number | null>>;

export interface Report {
  readonly benchmark: string;
  readonly machine: Machine;
  /** Settings of the run: seconds, repeats, delays. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly rows: readonly Row[];
  /** Named results, by the keys of docs/reference/benchmarks.md. */
  readonly results: Readonly<Record<string, number | null>>;
}

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return '-';
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(1);
}

function table(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const body = rows.map((row) => columns.map((column) => cell(row[column])));
  const widths = columns.map((column, at) =>
    Math.max(column.length, ...body.map((line) => line[at]?.length ?? 0)),
  );
  const right = columns.map((column) => rows.every((row) => typeof row[column] !== 'string'));
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, at) =>
        right[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [
    line(columns),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...body.map(line),
  ].join('\n');
}

export function printReport(report: Report, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify(report));
    return;
  }
  const { machine } = report;
  console.log(
    `${report.benchmark}: ${machine.system}, kernel ${machine.kernel}, ${machine.cores} × ` +
      `${machine.processor}, Node ${machine.node}, load ${cell(machine.loadBefore)} before and ` +
      `${cell(machine.loadAfter)} after`,
  );
  console.log(
    `settings: ${Object.entries(report.settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}\n`,
  );
  console.log(table(report.rows));
  console.log('');
  for (const [name, value] of Object.entries(report.results))
    console.log(`${name}: ${cell(value)}`);
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which `percent` of the values lie (nearest rank); NaN for none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Progress goes to standard error, so that standard output contains only the result. */
export function progress(text: string): void {
  console.error(`bench: ${text}`);
}
