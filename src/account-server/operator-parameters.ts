/** Schemas of the parameters of the operator's commands. */
import { z } from 'zod';
import { MOST_GROUPS } from '#wire/ntmobile/credential.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import { ROTATION_NOTICE_SECONDS } from './authorities.ts';
import { isLabel } from './login-requests.ts';

const MAX_GROUP_OCTETS = 63;
const MIN_PASSWORD_LENGTH = 8;
const DAY_SECONDS = 86_400;
const YEAR_SECONDS = 366 * DAY_SECONDS;

const group = z
  .string()
  .refine(
    (text) =>
      text.isWellFormed() &&
      text !== '' &&
      new TextEncoder().encode(text).length <= MAX_GROUP_OCTETS,
    `must be 1 to ${MAX_GROUP_OCTETS} octets of UTF-8`,
  );
const groups = z.array(group).max(MOST_GROUPS, `more than ${MOST_GROUPS}`);
const password = z
  .string()
  .min(MIN_PASSWORD_LENGTH, `has fewer than ${MIN_PASSWORD_LENGTH} characters`)
  .max(512, 'is longer than 512 characters');
const accountName = z
  .string()
  .refine(isLabel, 'must be a label: a-z, 0-9 and "-", at most 63 characters');
const named = z.strictObject({ name: accountName });

export const PARAMETERS = {
  none: z.strictObject({}),
  named,
  add: z.strictObject({
    name: accountName,
    fqdn: z
      .string()
      .refine(isDomainName, 'must be a domain name in lower case without a trailing dot')
      .optional(),
    groups: groups.default([]),
    password: password.optional(),
  }),
  password: z.strictObject({ name: accountName, password }),
  groups: z.strictObject({ name: accountName, groups }),
  token: z.strictObject({
    name: accountName,
    seconds: z.int().min(60).max(YEAR_SECONDS).default(DAY_SECONDS),
  }),
  devices: z.strictObject({ name: accountName.optional() }),
  device: z.strictObject({ device: z.string() }),
  rotate: z.strictObject({
    afterSeconds: z.int().min(0).max(YEAR_SECONDS).default(ROTATION_NOTICE_SECONDS),
  }),
} as const;
