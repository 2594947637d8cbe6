/**
 * An `Error` with a string `code` ('ENODEV', 'EPERM', …), as Node's own system errors and
 * everything that `host/` throws.
 */
export interface HostError extends Error {
  readonly code: string;
}

/** Tells the world's failures, which are retried, from our own defects, which are not. */
export function isHostError(thrown: unknown): thrown is HostError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string';
}
