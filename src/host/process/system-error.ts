/** A failure of the host with a symbolic `code` ('ENODEV', 'EPERM', …); see `isHostError`. */
export class SystemError extends Error {
  readonly code: string;
  /** What the operator can do; undefined: see the code. */
  readonly remedy: string | undefined;

  constructor(code: string, message: string, cause?: unknown, remedy?: string) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SystemError';
    this.code = code;
    this.remedy = remedy;
  }
}
