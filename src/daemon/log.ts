/**
 * The daemon's log: JSON lines on standard output, or a pretty form on a terminal. Each line has a
 * stable `event` and a `time`. The time of an engine event is that of its step, as `sojourn events`
 * shows it.
 *
 * No key gets into the log: fields are JSON values, never octets, and values under key-like names
 * are replaced.
 */
import { isatty } from 'node:tty';
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { EventName } from '#engine/common/event-table.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';
import type { LogLevel } from './daemon-settings.ts';

interface LogOptions {
  /** Name of the daemon, which every line contains. */
  readonly name: string;
  readonly level: LogLevel;
  readonly format: 'auto' | 'json' | 'pretty';
  /** For tests; standard output otherwise. */
  readonly destination?: DestinationStream;
}

/** `event` is a stable id in kebab-case; `fields` are data, never keys. */
export interface Log extends EventSink {
  setLevel(level: LogLevel): void;
  debug(event: EventName, fields?: JsonObject, message?: string): void;
  info(event: EventName, fields?: JsonObject, message?: string): void;
  warn(event: EventName, fields?: JsonObject, message?: string): void;
  error(event: EventName, fields?: JsonObject, message?: string): void;
}

const STANDARD_OUTPUT = 1;

export function createLog(options: LogOptions): Log {
  // The time of the line that is being written; writing is synchronous.
  let atWallMs: number | undefined;
  const logger = pino(
    {
      name: options.name,
      level: options.level,
      base: { name: options.name },
      timestamp: () => `,"time":"${new Date(atWallMs ?? Date.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? standardOutput(options.format),
  );
  const write = (
    level: EngineEvent['level'] | 'error',
    event: EventName,
    fields?: JsonObject,
    message?: string,
  ) => writeLine(logger, level, event, fields, message);
  return {
    setLevel(level) {
      logger.level = level;
    },
    debug: (event, fields, message) => write('debug', event, fields, message),
    info: (event, fields, message) => write('info', event, fields, message),
    warn: (event, fields, message) => write('warn', event, fields, message),
    error: (event, fields, message) => write('error', event, fields, message),
    event(event, eventAtWallMs) {
      atWallMs = eventAtWallMs;
      write(event.level, event.name, event.fields);
      atWallMs = undefined;
    },
  };
}

function writeLine(
  logger: Logger,
  level: EngineEvent['level'] | 'error',
  event: EventName,
  fields: JsonObject = {},
  message: string | undefined = undefined,
): void {
  if (!logger.isLevelEnabled(level)) return;
  logger[level]({ event, ...redactedObject(fields) }, message ?? event);
}

// Synchronous, so that lines before a crash are not lost.
function standardOutput(format: LogOptions['format']): DestinationStream {
  const isPretty = format === 'pretty' || (format === 'auto' && isatty(STANDARD_OUTPUT));
  if (!isPretty) return destination({ dest: STANDARD_OUTPUT, sync: true });
  return pretty({
    destination: STANDARD_OUTPUT,
    sync: true,
    colorize: isatty(STANDARD_OUTPUT),
    ignore: 'pid,hostname,event',
  });
}

const REDACTED = '[redacted]';
const SECRET_NAME = /(^|[a-z])(key|keys|secret|password|token)$/i;

function redacted(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return REDACTED;
  if (isList(value)) return value.map((item) => redacted(item) ?? null);
  return redactedObject(value);
}

function redactedObject(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? REDACTED : redacted(value),
    ]),
  );
}

/** `Array.isArray` does not narrow readonly arrays. */
function isList(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value);
}
