/**
 * The operator's preference among network interfaces. No RFC: an operator decides.
 */

export interface InterfacePreference {
  /** Interface name; `*` stands for any run of characters. */
  readonly match: string;
  /** Higher is better; negative: never used. */
  readonly preference: number;
}

/**
 * The preference of an interface by its name: that of the first entry that matches, otherwise 0.
 */
export function preferenceBy(
  preferences: readonly InterfacePreference[],
): (name: string) => number {
  const compiled = preferences.map(({ match, preference }) => {
    const parts = match.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return { pattern: new RegExp(`^${parts.join('.*')}$`), preference };
  });
  return (name) => compiled.find(({ pattern }) => pattern.test(name))?.preference ?? 0;
}
