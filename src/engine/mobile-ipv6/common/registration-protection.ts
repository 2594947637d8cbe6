/**
 * What protects registrations, in words for the operator.
 *
 * No RFC: RFC 4285 and RFC 3776 name what is shown.
 */
import type { EspConfiguration } from './esp/association.ts';
import type { RegistrationKey } from './registration-key.ts';

interface Protected {
  readonly registrationKeys: readonly (RegistrationKey | undefined)[];
  readonly esp?: EspConfiguration | undefined;
  /** Of the other end. */
  readonly publicKey?: Uint8Array | undefined;
}

/** Such as `sealed` or `ESP (aes-gcm-16)`; `none` only if the operator wrote `security: none`. */
export function registrationProtection({ registrationKeys, esp, publicKey }: Protected): string {
  if (publicKey !== undefined) return 'sealed';
  const [key] = registrationKeys;
  const parts = [
    ...(esp === undefined ? [] : [`ESP (${esp.algorithm})`]),
    ...(key === undefined ? [] : [`RFC 4285 (${key.algorithm})`]),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
}
