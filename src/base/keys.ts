/**
 * The keys of an object literal, in the order in which it lists them. For objects whose type lists
 * every key that they have, such as tables in the source.
 */
export function keysOf<T extends object>(table: T): readonly (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
