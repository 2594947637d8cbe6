/**
 * What bounds what goes to a place where nobody showed yet that a node is.
 *
 * No RFC: docs/ntmobile.md §9, §10
 */

/**
 * Three times the octets that the plane sees come from there may go there, and `creditOctets` for
 * what it does not see; they only grow while the node is there. What has the same `number` and
 * leads to the same place, legs and the tunnel of one node, counts together.
 */
export type AmplificationLimit = {
  readonly number: number;
  readonly creditOctets: number;
};

export function sameAmplificationLimit(
  a: AmplificationLimit | undefined,
  b: AmplificationLimit | undefined,
): boolean {
  return a?.number === b?.number && a?.creditOctets === b?.creditOctets;
}
