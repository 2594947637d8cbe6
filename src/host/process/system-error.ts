/** A failure of the host with a symbolic `code` ('ENODEV', 'EPERM', …); see `isHostError`. */
export class SystemError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SystemError';
    this.code = code;
  }
}
