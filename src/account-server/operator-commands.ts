/** Checks, runs and answers commands of the operator. */
import type { z } from 'zod';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { StoreError } from '#store/database.ts';
import { CertificateError } from './certificate.ts';

/** The command cannot be done; `message` says why and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

export type CommandHandler = (parameters: JsonObject) => JsonValue | Promise<JsonValue>;

/** A command that checks its parameters against `schema` before it acts. */
export function command<S extends z.ZodType>(
  schema: S,
  act: (parameters: z.output<S>) => JsonValue | Promise<JsonValue>,
): CommandHandler {
  return (parameters) => {
    const parsed = schema.safeParse(parameters);
    // An error text names members and rules, never values: a value may be a password.
    if (!parsed.success)
      throw new CommandError(
        parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
      );
    return act(parsed.data);
  };
}

function isExpected(thrown: unknown): thrown is Error {
  return (
    thrown instanceof CommandError ||
    thrown instanceof StoreError ||
    thrown instanceof CertificateError
  );
}

/** Answers with the result or with an expected failure; any other exception ends the daemon. */
export function answer(
  act: () => JsonValue | Promise<JsonValue>,
  respond: (ok: boolean, value: JsonValue) => void,
): void {
  const refuse = (thrown: unknown): void => {
    if (!isExpected(thrown)) throw thrown;
    respond(false, { error: thrown.message });
  };
  void Promise.try(act).then((value) => respond(true, value), refuse);
}
