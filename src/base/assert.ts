/** Asserts an internal invariant: a failure is a bug in this program, never a peer's input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Marks a branch that the type checker proves empty. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
