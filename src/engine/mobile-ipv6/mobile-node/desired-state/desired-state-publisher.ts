/**
 * Publishes the parts of the desired state that changed since they were last published.
 *
 * No RFC behaviour here; desired-parts.ts says what is desired.
 */
import { type IpAddress, isGlobalUnicast } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import { changesMainTable, type DesiredParts, isHomePart } from './desired-parts.ts';

export class DesiredStatePublisher {
  /** Each part as last published, with its text for comparison. */
  readonly #published = new Map<string, { readonly part: DesiredPart; readonly text: string }>();

  publish(step: Step, parts: DesiredParts): void {
    this.#publishChanged(step, parts);
    for (const key of this.#published.keys()) {
      if (parts.has(key)) continue;
      this.#published.delete(key);
      step.out.push({ kind: 'set-desired', key, part: undefined });
    }
  }

  /** Only the homes' addresses and tunnels; the other parts have to follow in the same step. */
  publishHomes(step: Step, parts: DesiredParts): void {
    this.#publishChanged(
      step,
      parts.entries().filter(([key]) => isHomePart(key)),
    );
  }

  /** Some published part has routes in the main table, which could misdirect a packet meanwhile. */
  get changesMainTable(): boolean {
    for (const { part } of this.#published.values()) if (changesMainTable(part)) return true;
    return false;
  }

  #publishChanged({ out }: Step, parts: Iterable<readonly [string, DesiredPart]>): void {
    for (const [key, part] of parts) {
      const text = JSON.stringify(part);
      if (this.#published.get(key)?.text === text) continue;
      this.#published.set(key, { part, text });
      out.push({ kind: 'set-desired', key, part });
    }
  }

  /** For the operator. */
  tunnels(): JsonValue {
    return [...this.#published.values()].flatMap(({ part }) =>
      (part.tunnels ?? []).map(describeTunnel),
    );
  }
}

/** Addresses of wider than link scope on the running interfaces, without those of `excluded`. */
export function globalAddresses(
  interfaces: readonly NetworkInterface[],
  excluded: ReadonlySet<string>,
): readonly IpAddress[] {
  const addresses = interfaces
    .filter(({ running, name }) => running && !excluded.has(name))
    .flatMap((link) => link.addresses.map(({ address }) => address))
    .filter(isGlobalUnicast);
  return [...new Set(addresses)].sort();
}
