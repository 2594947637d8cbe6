/**
 * How much of a limited table one identity may use.
 *
 * No RFC: Choudhury and Hahne, "Dynamic queue length thresholds", 1998. The share is a fraction of
 * what is free. A table that few identities fill keeps room for the others without an eviction.
 */
export function fairShare(
  { maximum, used }: { readonly maximum: number; readonly used: number },
  {
    divisor,
    least,
    most,
  }: { readonly divisor: number; readonly least: number; readonly most: number },
): number {
  return Math.min(most, Math.max(least, Math.floor((maximum - used) / divisor)));
}
