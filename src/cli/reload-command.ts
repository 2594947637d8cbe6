/**
 * `sojourn reload`: a daemon reloads its configuration and lists the changes that took effect and
 * those that need a restart.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { formatFault } from '#daemon/configuration/config.ts';
import { ask } from '#daemon/control/control-client.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

interface ReloadCommandOptions {
  readonly json?: boolean;
  readonly timeout: number;
}

/**
 * Exit code 78 with every fault if the configuration is wrong, 1 if the daemon could not apply it.
 */
export async function reload(
  socket: string,
  { json, timeout }: ReloadCommandOptions,
): Promise<ExitCode> {
  const { ok, value } = await ask(socket, 'reload', {}, timeout);
  if (json === true) process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  const answer = isJsonObject(value) ? value : {};
  if (ok) {
    if (json !== true) process.stdout.write(`${formatReload(answer)}\n`);
    return ExitCode.ok;
  }
  const faults = listIn(answer, 'faults');
  if (json !== true) {
    for (const fault of faults) process.stderr.write(`${faultText(fault)}\n`);
    process.stderr.write(`sojourn: ${String(answer['error'] ?? value)}\n`);
  }
  return faults.length > 0 ? ExitCode.configuration : ExitCode.negative;
}

/** Lines `setting: old → new`. */
function formatReload(answer: JsonObject): string {
  const applied = listIn(answer, 'applied').map(changeText);
  const waiting = listIn(answer, 'needsRestart').map(changeText);
  if (applied.length === 0 && waiting.length === 0) return 'no changes';
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [...section('in force now', applied), ...section('only after a restart', waiting)].join(
    '\n',
  );
}

function changeText({ setting, old = null, new: fresh = null }: JsonObject): string {
  if (old === null) return `${String(setting)}: added ${valueText(fresh)}`;
  if (fresh === null) return `${String(setting)}: removed ${valueText(old)}`;
  return `${String(setting)}: ${valueText(old)} → ${valueText(fresh)}`;
}

function valueText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function faultText({ file, line, column, path, message, remedy }: JsonObject): string {
  return formatFault({
    ...{ file: String(file), line: Number(line), column: Number(column) },
    ...{ path: String(path), message: String(message), remedy: String(remedy) },
  });
}

function listIn(answer: JsonObject, name: string): readonly JsonObject[] {
  const value = answer[name];
  return isJsonList(value) ? value.filter(isJsonObject) : [];
}
