/**
 * How data reaches each peer, and since when: for status answers and for events on a change.
 *
 * No RFC: the terms are those of docs/reference/ntmobile.md §8.
 */

import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { emitEvent } from '../events.ts';

/** `general`: through a relay to a host without NTMobile. `none`: no path at present. */
type PathKind = 'direct' | 'relayed' | 'general' | 'none';

interface ReportedPath {
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
  readonly #reported = new Map<string, ReportedPath>();

  /** Data to the peer `id` takes this path from now on. */
  update(
    step: Step,
    id: string,
    to: { readonly name: string; readonly kind: PathKind; readonly udpPath: UdpPath | undefined },
  ): void {
    const previous = this.#reported.get(id);
    const { name, kind, udpPath } = to;
    if (previous === undefined && kind === 'none') return;
    const endpointChanged =
      previous?.udpPath?.remote !== udpPath?.remote ||
      previous?.udpPath?.remotePort !== udpPath?.remotePort;
    if (previous?.kind === kind && !endpointChanged) return;
    this.#reported.set(id, { name, kind, udpPath, since: step.now });
    if (previous === undefined)
      emitEvent(step, 'path-established', 'info', {
        name,
        pathKind: kind,
        ...endpointFields(udpPath),
      });
    else
      emitEvent(step, EVENTS[kind], 'info', {
        name,
        ...endpointFields(udpPath),
        previousDurationMs: Math.round(step.now - previous.since),
      });
  }

  /** The peer has no path any more. */
  ended(step: Step, id: string): void {
    const previous = this.#reported.get(id);
    if (previous === undefined) return;
    this.#reported.delete(id);
    emitEvent(step, 'path-ended', 'info', {
      name: previous.name,
      previousDurationMs: Math.round(step.now - previous.since),
    });
  }

  /** The path to a peer for a status answer. */
  view(id: string, wallOf: (at: Monotonic) => number): JsonObject {
    const reported = this.#reported.get(id);
    if (reported === undefined) return { kind: 'none', up: false, direct: false };
    const { kind } = reported;
    return {
      kind,
      up: kind !== 'none',
      direct: kind === 'direct',
      ...endpointFields(reported.udpPath),
      sinceWallMs: wallOf(reported.since),
    };
  }
}

function endpointFields(udpPath: UdpPath | undefined): JsonObject {
  if (udpPath === undefined) return {};
  const { local, remote, remotePort } = udpPath;
  return { local, remote, remotePort };
}
