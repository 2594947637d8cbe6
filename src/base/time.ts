declare const monotonicBrand: unique symbol;
declare const wallBrand: unique symbol;

/** Milliseconds of a clock that never goes back, since an arbitrary moment. */
export type Monotonic = number & { readonly [monotonicBrand]: true };

/** Milliseconds since the Unix epoch; may jump forwards or backwards. */
export type Wall = number & { readonly [wallBrand]: true };

/** A deadline that never passes. */
export const NEVER = Number.POSITIVE_INFINITY as Monotonic;

export function monotonic(milliseconds: number): Monotonic {
  return milliseconds as Monotonic;
}

export function wall(milliseconds: number): Wall {
  return milliseconds as Wall;
}

/** The moment `milliseconds` later than `now`. */
export function after(now: Monotonic, milliseconds: number): Monotonic {
  return (now + milliseconds) as Monotonic;
}

/** The earliest of several deadlines; NEVER without one. */
export function earliest(...deadlines: readonly Monotonic[]): Monotonic {
  let first: number = NEVER;
  for (const deadline of deadlines) if (deadline < first) first = deadline;
  return first as Monotonic;
}
