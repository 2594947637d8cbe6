/**
 * The configuration schema of each daemon, found by folder, so that a new daemon needs no entry
 * here.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type KeyDescription, keysOf, shapeOf } from '#daemon/configuration/config-schema.ts';

export const REPOSITORY = join(import.meta.dirname, '../..');
const DAEMONS = join(REPOSITORY, 'daemons');

export interface DaemonConfiguration {
  /** `ha`: its file is `ha.yaml`. */
  readonly role: string;
  /** `home agent (RFC 6275, …)` */
  readonly description: string;
  readonly keys: readonly KeyDescription[];
}

/** The daemons by name, in alphabetical order. */
export function roles(): readonly string[] {
  return readdirSync(DAEMONS)
    .filter((role) => existsSync(join(DAEMONS, role, 'config.ts')))
    .sort();
}

/**
 * The one export of `daemons/<role>/config.ts` whose name ends in `Schema`, for files in
 * `directory`.
 */
export async function schemaOf(role: string, directory = '/etc/sojourn'): Promise<z.ZodType> {
  const module: object = await import(join(DAEMONS, role, 'config.ts'));
  const [make] = Object.entries(module).flatMap(([name, value]) =>
    name.endsWith('Schema') ? [value] : [],
  );
  const schema: unknown = typeof make === 'function' ? make({ directory }) : undefined;
  if (schema instanceof z.ZodType) return schema;
  throw new Error(`daemons/${role}/config.ts exports no schema`);
}

export async function configurationOf(role: string): Promise<DaemonConfiguration> {
  const shape = shapeOf(await schemaOf(role));
  return { role, description: String(shape['description'] ?? role), keys: keysOf(shape) };
}
