/**
 * systemd-resolved sends what applications ask to a daemon's stub, as if the TUN device were a link
 * whose network named it.
 *
 * resolvectl(1). It forgets it all with the device: nothing is left behind after a crash.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { RESOLV_CONF } from './resolv-conf.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 5_000;
/** Until resolved has heard of the device from the kernel. */
const TRIES = 10;
const BETWEEN_TRIES_MS = 200;
/** The servers of all links; the file that applications see names resolved itself. */
export const RESOLVED_SERVERS = '/run/systemd/resolve/resolv.conf';
const RESOLVED_DIRECTORY = '/run/systemd/resolve/';
/** Where resolved itself listens. */
const RESOLVED_STUB = /^\s*nameserver\s+127\.0\.0\.53\s*$/m;

/** Whether it is what applications of this host ask. */
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
}

/**
 * Every name is asked there, but for those that another link claims for itself. Rejects with what
 * resolvectl says.
 */
export async function useResolved({ device, servers }: ResolvedLink): Promise<void> {
  for (let left = TRIES; ; left -= 1) {
    try {
      await resolvectl('dns', device, ...servers);
      await resolvectl('domain', device, '~.');
      await resolvectl('default-route', device, 'true');
      return;
    } catch (thrown) {
      if (left === 0 || isMissing(thrown)) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
    }
  }
}

/** Harmless where nothing was set. */
export async function leaveResolved(device: string): Promise<void> {
  await resolvectl('revert', device).catch(() => {});
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}

async function resolvectl(...parameters: readonly string[]): Promise<void> {
  await run('resolvectl', parameters, { timeout: TIMEOUT_MS });
}
