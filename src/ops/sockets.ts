/** Which control socket a command means. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RUN_DIRECTORY } from './daemon-settings.ts';

export type Chosen =
  | { readonly ok: true; readonly path: string }
  /** `several`: the operator must say which. */
  | { readonly ok: false; readonly reason: 'none' | 'several'; readonly message: string };

/** An explicit path, a daemon's name, or the only socket there is. */
export function chooseSocket(
  options: { readonly socket?: string | undefined; readonly daemon?: string | undefined },
  runDirectory = RUN_DIRECTORY,
): Chosen {
  if (options.socket !== undefined) return { ok: true, path: options.socket };
  if (options.daemon !== undefined) return { ok: true, path: join(runDirectory, `${options.daemon}.sock`) };
  const names = socketNames(runDirectory);
  const [only] = names;
  if (only !== undefined && names.length === 1) return { ok: true, path: join(runDirectory, `${only}.sock`) };
  if (only === undefined) {
    const message = `no daemon's socket in ${runDirectory}: is one running? (systemctl status 'sojourn-*', or give --socket)`;
    return { ok: false, reason: 'none', message };
  }
  return {
    ok: false,
    reason: 'several',
    message: `several daemons run here; choose one: --daemon ${names.join(' | --daemon ')}`,
  };
}

function socketNames(directory: string): readonly string[] {
  try {
    const files = readdirSync(directory).filter((file) => file.endsWith('.sock'));
    return files.map((file) => basename(file, '.sock')).sort();
  } catch {
    return [];
  }
}
