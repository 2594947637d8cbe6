/** Schemas of request bodies. Unknown members are refused. */
import { z } from 'zod';
import { isDomainName } from '#wire/ntmobile/options.ts';

const MAX_LABEL_LENGTH = 63;
const MAX_PASSWORD_LENGTH = 512;

/** Whether `text` is a DNS label in lower case, the form of account and device names. */
export function isLabel(text: string): boolean {
  return text.length <= MAX_LABEL_LENGTH && !text.includes('.') && isDomainName(text);
}

function octets(count: number) {
  return z
    .base64()
    .transform((text): Uint8Array => new Uint8Array(Buffer.from(text, 'base64')))
    .refine((value) => value.length === count);
}

const label = () => z.string().refine(isLabel);
/** 32 random octets in base64url. */
const token = () => z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const proofMembers = {
  /** X25519, base64. */
  publicKey: octets(32),
  /** Milliseconds since 1970-01-01. */
  timestamp: z.int().min(0),
  /** Made by crypto/login-proof.ts, base64. */
  proof: octets(32),
};

export const loginSchema = z
  .strictObject({
    account: label(),
    password: z.string().min(1).max(MAX_PASSWORD_LENGTH).optional(),
    enrolmentToken: token().optional(),
    /** The requested label of the device below the account's name. */
    device: label().optional(),
    ...proofMembers,
  })
  .refine(
    ({ password, enrolmentToken }) => (password === undefined) !== (enrolmentToken === undefined),
  );

export const renewalSchema = z.strictObject({ renewalToken: token(), ...proofMembers });

export type LoginRequest = z.output<typeof loginSchema>;
export type RenewalRequest = z.output<typeof renewalSchema>;
