/**
 * Reads the configuration of a running daemon anew. A faulty one changes nothing. Of a right one
 * the daemon takes what it can while it runs; of everything else it is told that it needs a
 * restart, each time until there was one.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';
import type { ConfigurationDocument, Fault, Loaded } from './configuration/config.ts';
import { type Change, differences, withReloadable } from './configuration/config-difference.ts';

export interface ReloadOptions<S> {
  load(): Loaded<S>;
  /**
   * Makes the daemon take these settings, which differ from those in force in reloadable keys only.
   * Throws when it cannot.
   */
  apply(settings: S): void | Promise<void>;
  readonly events: EventSink;
}

export type ReloadOutcome =
  | {
      readonly ok: true;
      readonly applied: readonly Change[];
      readonly needsRestart: readonly Change[];
    }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** What is in force, as written and with everything. */
type InForce = Pick<ConfigurationDocument<unknown>, 'written' | 'values'>;

const TOGETHER = 'what could be taken now is right only together with what needs a restart';

export class Reloader<S> {
  readonly #options: ReloadOptions<S>;
  #inForce: InForce;
  #last: Promise<unknown> = Promise.resolve();

  constructor(inForce: InForce, options: ReloadOptions<S>) {
    this.#options = options;
    this.#inForce = inForce;
  }

  /** One after the other. Rejects with what `apply` throws. */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#last.then(() => this.#reload());
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    const loaded = this.#options.load();
    if (!loaded.ok) {
      for (const fault of loaded.faults) this.#say('warn', 'config-refused', faultFields(fault));
      return loaded;
    }
    const { keys, written, values, settingsOf } = loaded.document;
    const changes = differences(keys, this.#inForce.values, values);
    const next = {
      written: withReloadable(keys, this.#inForce.written, written),
      values: withReloadable(keys, this.#inForce.values, values),
    };
    const reloadable = changes.filter((change) => change.reloadable);
    const needsRestart = changes.filter((change) => !change.reloadable);
    if (changes.length === 0) this.#say('info', 'config-unchanged', {});
    const settings = needsRestart.length === 0 ? loaded.value : settingsOf(next.written);
    if (settings === undefined) {
      this.#tell('warn', 'config-needs-restart', changes, { why: TOGETHER });
      return { ok: true, applied: [], needsRestart: changes };
    }
    if (reloadable.length > 0) await this.#options.apply(settings);
    this.#inForce = next;
    this.#tell('info', 'config-reloaded', reloadable);
    this.#tell('warn', 'config-needs-restart', needsRestart);
    return { ok: true, applied: reloadable, needsRestart };
  }

  #tell(
    level: EngineEvent['level'],
    name: 'config-reloaded' | 'config-needs-restart',
    changes: readonly Change[],
    more: JsonObject = {},
  ): void {
    for (const { setting, old = null, new: fresh = null } of changes) {
      this.#say(level, name, { setting, old, new: fresh, ...more });
    }
  }

  #say(level: EngineEvent['level'], name: EngineEvent['name'], fields: JsonObject): void {
    this.#options.events.event({ level, name, fields }, Date.now());
  }
}

function faultFields({ file, line, column, path, message, remedy }: Fault): JsonObject {
  return { file, line, column, setting: path, why: message, remedy };
}

/**
 * As `sojourn reload` gets it: `{ applied, needsRestart }`, each `[{ setting, old, new }]`, or `{
 * error, faults }`.
 */
export function outcomeAsJson(outcome: ReloadOutcome): JsonValue {
  if (!outcome.ok)
    return {
      error: 'the configuration is wrong; nothing was changed',
      faults: outcome.faults.map((one) => ({ ...one })),
    };
  const rows = (changes: readonly Change[]) =>
    changes.map(({ setting, old = null, new: fresh = null }) => ({ setting, old, new: fresh }));
  return { applied: rows(outcome.applied), needsRestart: rows(outcome.needsRestart) };
}
