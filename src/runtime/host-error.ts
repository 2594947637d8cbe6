/** An `Error` with a string `code` ('ENODEV', …): Node's system errors, and those of host/. */
export interface HostError extends Error {
  readonly code: string;
}

/** The host's failures are retried; every other error is a bug of this program. */
export function isHostError(thrown: unknown): thrown is HostError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string';
}
