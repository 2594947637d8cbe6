/**
 * How data to each other end goes, and since when: for the operator, who is told when it changes.
 * No RFC: the terms are those of docs/reference/ntmobile.md §8.
 */

import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { emitEvent } from '../events.ts';

/**
 * `general`: through a relay, to somebody who knows nothing of NTMobile. `none`: nowhere at
 * present.
 */
type PathKind = 'direct' | 'relayed' | 'general' | 'none';

interface Shown {
  readonly name: string;
  readonly kind: PathKind;
  readonly udpPath: UdpPath | undefined;
  readonly since: Monotonic;
}

const EVENTS = {
  direct: 'path-direct',
  relayed: 'path-relayed',
  general: 'path-general',
  none: 'path-interrupted',
} as const;

export class PathReport {
  readonly #shown = new Map<string, Shown>();

  /** Data to the end `id` goes by `way` from now on. */
  update(
    step: Step,
    id: string,
    to: { readonly name: string; readonly kind: PathKind; readonly udpPath: UdpPath | undefined },
  ): void {
    const former = this.#shown.get(id);
    const { name, kind, udpPath } = to;
    if (former === undefined && kind === 'none') return;
    const elsewhere =
      former?.udpPath?.remote !== udpPath?.remote ||
      former?.udpPath?.remotePort !== udpPath?.remotePort;
    if (former?.kind === kind && !elsewhere) return;
    this.#shown.set(id, { name, kind, udpPath, since: step.now });
    if (former === undefined)
      emitEvent(step, 'path-established', 'info', {
        name,
        pathKind: kind,
        ...endpointFields(udpPath),
      });
    else
      emitEvent(step, EVENTS[kind], 'info', {
        name,
        ...endpointFields(udpPath),
        previousDurationMs: Math.round(step.now - former.since),
      });
  }

  /** There is nothing to that end any more. */
  ended(step: Step, id: string): void {
    const former = this.#shown.get(id);
    if (former === undefined) return;
    this.#shown.delete(id);
    emitEvent(step, 'path-ended', 'info', {
      name: former.name,
      previousDurationMs: Math.round(step.now - former.since),
    });
  }

  /** For a list: how, where, since when. */
  view(id: string, wallOf: (at: Monotonic) => number): JsonObject {
    const shown = this.#shown.get(id);
    if (shown === undefined) return { kind: 'none', up: false, direct: false };
    const { kind } = shown;
    return {
      kind,
      up: kind !== 'none',
      direct: kind === 'direct',
      ...endpointFields(shown.udpPath),
      sinceWallMs: wallOf(shown.since),
    };
  }
}

function endpointFields(udpPath: UdpPath | undefined): JsonObject {
  if (udpPath === undefined) return {};
  const { local, remote, remotePort } = udpPath;
  return { local, remote, remotePort };
}
