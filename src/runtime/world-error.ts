/**
 * An `Error` with a string `code` ('ENODEV', 'EPERM', …), as Node's own system errors and
 * everything that `host/` throws.
 */
export interface WorldError extends Error {
  readonly code: string;
}

/** Tells the world's failures, which are retried, from our own defects, which are not. */
export function isWorldError(thrown: unknown): thrown is WorldError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string';
}
