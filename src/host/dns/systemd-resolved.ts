/**
 * Makes systemd-resolved use a daemon's stub resolver, or other servers, as the name servers of the
 * TUN device.
 *
 * resolvectl(1). systemd-resolved drops the setting with the device, so a crash leaves nothing
 * behind.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { RESOLV_CONF } from './resolv-conf.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5_000;
/** systemd-resolved may not have seen the new device yet. */
const TRIES = 10;
const BETWEEN_TRIES_MS = 200;
/** Lists the servers of all links; the file that applications read names systemd-resolved. */
export const RESOLVED_SERVERS = '/run/systemd/resolve/resolv.conf';
const RESOLVED_DIRECTORY = '/run/systemd/resolve/';
/** The address of systemd-resolved. */
const RESOLVED_STUB = /^\s*nameserver\s+127\.0\.0\.53\s*$/m;

/** Whether this host's applications ask systemd-resolved. */
export function isResolvedInUse(file = RESOLV_CONF): boolean {
  if (!existsSync(RESOLVED_DIRECTORY) || !existsSync(file)) return false;
  return (
    realpathSync(file).startsWith(RESOLVED_DIRECTORY) ||
    RESOLVED_STUB.test(readFileSync(file, 'utf8'))
  );
}

interface ResolvedLink {
  readonly device: string;
  /** `127.0.0.1` or `127.0.0.1:5353`. */
  readonly servers: readonly string[];
  /** Domains of short names. */
  readonly searchDomains?: readonly string[];
}

/**
 * Routes every name to the servers, except those of domains that another link claims. Rejects with
 * resolvectl's message.
 */
export async function useResolved({
  device,
  servers,
  searchDomains = [],
}: ResolvedLink): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    try {
      await resolvectl('dns', device, ...servers);
      await resolvectl('domain', device, '~.', ...searchDomains);
      await resolvectl('default-route', device, 'true');
      return;
    } catch (thrown) {
      if (left === 0 || isMissing(thrown)) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
    }
  }
}

/** Does nothing if nothing was set. */
export async function leaveResolved(device: string): Promise<void> {
  await resolvectl('revert', device).catch(() => {});
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}

async function resolvectl(...parameters: readonly string[]): Promise<void> {
  await run('resolvectl', parameters, { timeout: TIMEOUT_MS });
}
