/**
 * JSON lines over a stream: splits the input into lines of bounded length and parses them.
 */
import type { JsonObject, JsonValue } from '#base/json.ts';

/**
 * Collects lines from chunks. After a line longer than `maximumLength` characters, an overflow, the
 * caller must stop reading.
 */
export class LineBuffer {
  readonly #maximumLength: number;
  readonly #decoder = new TextDecoder();
  #pending = '';

  constructor(maximumLength: number) {
    this.#maximumLength = maximumLength;
  }

  /** The complete lines so far, without their ends; `undefined` on overflow. */
  push(chunk: Uint8Array): readonly string[] | undefined {
    const lines = (this.#pending + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#pending = lines.pop() ?? '';
    if (this.#pending.length > this.#maximumLength) return undefined;
    if (lines.some((line) => line.length > this.#maximumLength)) return undefined;
    return lines;
  }
}

/** The JSON object in `line`; undefined for anything else. */
export function parseObject(line: string): JsonObject | undefined {
  const value = parseJson(line);
  return isJsonObject(value) ? value : undefined;
}

/** Undefined for text that is not JSON. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}
