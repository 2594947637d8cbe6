/**
 * Reloads the configuration of a running daemon. A faulty configuration changes nothing. Changes of
 * reloadable keys take effect; every reload reports the other changes until a restart.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';
import type { ConfigurationDocument, Fault, Loaded } from './configuration/config.ts';
import { type Change, differences, withReloadable } from './configuration/config-difference.ts';

interface ReloadOptions<S> {
  load(): Loaded<S>;
  /**
   * Puts settings in force that differ from the current ones in reloadable keys only. Throws if it
   * cannot.
   */
  apply(settings: S): void | Promise<void>;
  /** Changes in reloadable keys that take effect only after a restart, with these settings. */
  needsRestart(settings: S): readonly Change[];
  readonly events: EventSink;
}

type ReloadOutcome =
  | {
      readonly ok: true;
      readonly applied: readonly Change[];
      readonly needsRestart: readonly Change[];
    }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** The configuration in force, as written and completed. */
type InForce = Pick<ConfigurationDocument<unknown>, 'written' | 'values'>;

const TOGETHER = 'the reloadable changes are valid only together with changes that need a restart';

export class Reloader<S> {
  readonly #options: ReloadOptions<S>;
  #inForce: InForce;
  #last: Promise<unknown> = Promise.resolve();

  constructor(inForce: InForce, options: ReloadOptions<S>) {
    this.#options = options;
    this.#inForce = inForce;
  }

  /** Runs reloads one after the other. Rejects with the error of `apply`. */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#last.then(() => this.#reload());
    this.#last = outcome.catch(() => {});
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    const loaded = this.#options.load();
    if (!loaded.ok) {
      for (const fault of loaded.faults) this.#note('warn', 'config-refused', faultFields(fault));
      return loaded;
    }
    const { keys, written, values, settingsOf } = loaded.document;
    const changes = differences(keys, this.#inForce.values, values);
    const next = {
      written: withReloadable(keys, this.#inForce.written, written),
      values: withReloadable(keys, this.#inForce.values, values),
    };
    const reloadable = changes.filter((change) => change.reloadable);
    const fixed = changes.filter((change) => !change.reloadable);
    if (changes.length === 0) this.#note('info', 'config-unchanged', {});
    const settings = fixed.length === 0 ? loaded.value : settingsOf(next.written);
    if (settings === undefined) {
      this.#noteChanges('warn', 'config-needs-restart', changes, { why: TOGETHER });
      return { ok: true, applied: [], needsRestart: changes };
    }
    if (reloadable.length > 0) await this.#options.apply(settings);
    this.#inForce = next;
    const needsRestart = [...fixed, ...this.#options.needsRestart(settings)];
    this.#noteChanges('info', 'config-reloaded', reloadable);
    this.#noteChanges('warn', 'config-needs-restart', needsRestart);
    return { ok: true, applied: reloadable, needsRestart };
  }

  #noteChanges(
    level: EngineEvent['level'],
    name: 'config-reloaded' | 'config-needs-restart',
    changes: readonly Change[],
    more: JsonObject = {},
  ): void {
    for (const { setting, old = null, new: fresh = null, why } of changes) {
      const reason = why === undefined ? {} : { why };
      this.#note(level, name, { setting, old, new: fresh, ...reason, ...more });
    }
  }

  #note(level: EngineEvent['level'], name: EngineEvent['name'], fields: JsonObject): void {
    this.#options.events.event({ level, name, fields }, Date.now());
  }
}

function faultFields({ file, line, column, path, message, remedy }: Fault): JsonObject {
  return { file, line, column, setting: path, why: message, remedy };
}

/**
 * The answer for `sojourn reload`: `{ applied, needsRestart }`, each `[{ setting, old, new }]`, or
 * `{ error, faults }`.
 */
export function outcomeAsJson(outcome: ReloadOutcome): JsonValue {
  if (!outcome.ok)
    return {
      error: 'the configuration is wrong; the daemon keeps the previous one',
      faults: outcome.faults.map((one) => ({ ...one })),
    };
  const rows = (changes: readonly Change[]) =>
    changes.map(({ setting, old = null, new: fresh = null }) => ({ setting, old, new: fresh }));
  return { applied: rows(outcome.applied), needsRestart: rows(outcome.needsRestart) };
}
