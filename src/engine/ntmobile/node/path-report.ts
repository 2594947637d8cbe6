/**
 * How data to each other end goes, and since when: for the operator, who is told when it changes.
 * No RFC: the terms are those of docs/ntmobile.md §8.
 */
import type { Monotonic } from '#base/time.ts';
import type { EngineEvent, JsonObject } from '#engine/contract.ts';
import type { Way } from '#engine/ntmobile/common/udp-path.ts';

/**
 * `general`: through a relay, to somebody who knows nothing of NTMobile. `none`: nowhere at
 * present.
 */
export type PathKind = 'direct' | 'relayed' | 'general' | 'none';

interface Shown {
  readonly name: string;
  readonly kind: PathKind;
  readonly way: Way | undefined;
  readonly since: Monotonic;
}

const EVENTS = {
  direct: 'path-direct',
  relayed: 'path-relayed',
  general: 'path-general',
  none: 'path-interrupted',
} as const;

export class PathReport {
  readonly #tell: (event: EngineEvent) => void;
  readonly #shown = new Map<string, Shown>();

  constructor(tell: (event: EngineEvent) => void) {
    this.#tell = tell;
  }

  /** Data to the end `id` goes by `way` from now on. */
  goes(
    now: Monotonic,
    id: string,
    to: { readonly name: string; readonly kind: PathKind; readonly way: Way | undefined },
  ): void {
    const former = this.#shown.get(id);
    const { name, kind, way } = to;
    if (former === undefined && kind === 'none') return;
    const elsewhere =
      former?.way?.remote !== way?.remote || former?.way?.remotePort !== way?.remotePort;
    if (former?.kind === kind && !elsewhere) return;
    this.#shown.set(id, { name, kind, way, since: now });
    if (former === undefined) this.#say('path-established', { name, way: kind, ...placeOf(way) });
    else
      this.#say(EVENTS[kind], {
        name,
        ...placeOf(way),
        formerForMs: Math.round(now - former.since),
      });
  }

  /** There is nothing to that end any more. */
  ended(now: Monotonic, id: string): void {
    const former = this.#shown.get(id);
    if (former === undefined) return;
    this.#shown.delete(id);
    this.#say('path-ended', { name: former.name, formerForMs: Math.round(now - former.since) });
  }

  /** For a list: how, where, since when. */
  view(id: string, wallOf: (at: Monotonic) => number): JsonObject {
    const shown = this.#shown.get(id);
    if (shown === undefined) return { way: 'none', up: false, direct: false };
    const { kind } = shown;
    return {
      way: kind,
      up: kind !== 'none',
      direct: kind === 'direct',
      ...placeOf(shown.way),
      sinceWallMs: wallOf(shown.since),
    };
  }

  #say(name: EngineEvent['name'], fields: JsonObject): void {
    this.#tell({ name, level: 'info', fields });
  }
}

function placeOf(way: Way | undefined): JsonObject {
  if (way === undefined) return {};
  const { local, remote, remotePort } = way;
  return { local, remote, remotePort };
}
