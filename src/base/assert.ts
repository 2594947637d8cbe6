/**
 * Says that something of ours must hold; a failure is our defect, never the peer's input. Throws
 * `Error`.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The branch that the type checker proves empty; reaching it is our defect. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
