/**
 * Programs of the command line that are more than a request to a daemon, such as `sojourn enroll
 * use`: each reads one JSON object from standard input and prints one.
 *
 * They are programs of their own, because the command line itself has no engine in it. Standard
 * input hides secrets that other users would see among the arguments.
 */
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, parseObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

/** Ends the program; the command line shows the message. */
export class CommandProgramFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Reads the job, and prints the result or the failure. */
export async function runCommandProgram(
  act: (job: JsonObject) => JsonObject | Promise<JsonObject>,
): Promise<void> {
  try {
    const result = await act(await readJob());
    process.stdout.write(`${JSON.stringify({ ok: true, result })}\n`);
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    const answer = { ok: false, error, exitCode: exitCodeOf(thrown) };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

async function readJob(): Promise<JsonObject> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return parseObject(text) ?? {};
}

function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommandProgramFailure) return thrown.exitCode;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  return ['EACCES', 'EPERM'].includes(code) ? ExitCode.permission : ExitCode.unavailable;
}

export function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function textsOf(value: JsonValue | undefined): readonly string[] {
  return isJsonList(value) ? value.map(String) : [];
}
