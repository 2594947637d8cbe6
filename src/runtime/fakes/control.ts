import type { JsonObject, JsonValue } from '#base/json.ts';
import type { ControlPort } from '#runtime/ports.ts';

type Handler = (
  command: string,
  parameters: JsonObject,
  respond: (ok: boolean, value: JsonValue) => void,
) => void;

/** An operator in memory. */
export class FakeControl implements ControlPort {
  closed = false;
  #handler: Handler | undefined;

  onRequest(handler: Handler): void {
    this.#handler = handler;
  }

  /** Sends one command; the driver adds exactly one answer to the returned list. */
  ask(
    command: string,
    parameters: JsonObject = {},
  ): { readonly ok: boolean; readonly value: JsonValue }[] {
    const answers: { readonly ok: boolean; readonly value: JsonValue }[] = [];
    this.#handler?.(command, parameters, (ok, value) => answers.push({ ok, value }));
    return answers;
  }

  close(): void {
    this.closed = true;
  }
}
