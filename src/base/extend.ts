/**
 * Adds `members` to `object` itself. Unlike `Object.assign`, this also hides members that are
 * read-only in the prototype, as those of native objects are.
 */
export function extend<T extends object, U extends object>(object: T, members: U): T & U {
  return Object.defineProperties(object, Object.getOwnPropertyDescriptors(members)) as T & U;
}
