/** The output of `--check`: lines that editors understand, or one object with `--json`. */

import { ExitCode } from '#daemon/exit-codes.ts';
import { type Fault, formatFault, type Loaded } from './config.ts';

/**
 * Faults go to standard error, `FILE: ok` to standard output. As JSON, to standard output alone:
 *
 *     { "file": "…", "ok": false, "faults": [{ "file", "line", "column", "path", "message",
 *     "remedy" }], "warnings": ["…"] }
 */
export function reportCheck<T>(
  file: string,
  loaded: Loaded<T>,
  warningsOf: (settings: T) => readonly string[],
  json: boolean,
): ExitCode {
  const faults = loaded.ok ? [] : loaded.faults;
  const warnings = loaded.ok ? warningsOf(loaded.value) : [];
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ file, ok: loaded.ok, faults, warnings }, undefined, 2)}\n`,
    );
  } else {
    writeFaults(faults);
    for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
    if (loaded.ok) process.stdout.write(`${file}: ok\n`);
  }
  return loaded.ok ? ExitCode.ok : ExitCode.configuration;
}

export function writeFaults(faults: readonly Fault[]): void {
  for (const fault of faults) process.stderr.write(`${formatFault(fault)}\n`);
}
