/**
 * A failure of the world with its symbolic `code` ('ENODEV', 'EPERM', 'NFT', …): typed so that it
 * can be retried, see `isWorldError`.
 */
export class SystemError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SystemError';
    this.code = code;
  }
}
