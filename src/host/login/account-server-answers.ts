/** The answers of an account server to nodes: docs/reference/ntmobile.md §2.2. */
import { z } from 'zod';
import { parseEndpoint } from '#base/endpoint.ts';
import { parsePrefix } from '#base/ip.ts';

const PORT = 7890;

const octets = (count?: number) =>
  z
    .base64()
    .transform((text): Uint8Array => new Uint8Array(Buffer.from(text, 'base64')))
    .refine((value) => count === undefined || value.length === count);

const endpoint = z.string().transform((text, context) => {
  const parsed = parseEndpoint(text, PORT);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'no endpoint' });
  return z.NEVER;
});

const prefix = z.string().transform((text, context) => {
  const parsed = parsePrefix(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'no prefix' });
  return z.NEVER;
});

const coordinators = z
  .array(
    z.object({
      name: z.string().max(253),
      publicKey: octets(32),
      endpoints: z.array(endpoint).max(16),
    }),
  )
  .max(64);

export const systemSchema = z.object({
  authorityKeys: z.array(z.object({ publicKey: octets(32) })).max(64),
  publicKey: octets(32),
  systemPrefix: prefix,
  generalPrefixes: z.array(prefix).min(1).max(16),
  relayKeys: z.array(octets(32)).max(64).optional(),
  zone: z.string().max(253),
  time: z.number(),
});
export type System = z.output<typeof systemSchema>;

export const grantedSchema = z.object({
  credential: octets(),
  notAfter: z.int(),
  renewalToken: z.string().max(512),
  directionCoordinators: coordinators,
});

export const refusedSchema = z.object({
  error: z.string(),
  message: z.string(),
  time: z.number().optional(),
});
