/**
 * Equality of prefixes.
 *
 * No RFC: a helper of the mobile networks of RFC 3963.
 */
import type { Prefix } from '#base/ip.ts';

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && a.address === b.address;
}

/** Both lists are in the order of the configuration. */
export function samePrefixes(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return (
    a === b ||
    (a.length === b.length && a.every((prefix, at) => samePrefix(prefix, b[at] ?? prefix)))
  );
}
