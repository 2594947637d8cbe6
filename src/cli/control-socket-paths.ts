/** The choice of the control socket for a command. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RUN_DIRECTORY } from '#daemon/directories.ts';

type SocketChoice =
  | { readonly ok: true; readonly path: string }
  /** `several`: the operator must choose one. */
  | { readonly ok: false; readonly reason: 'none' | 'several'; readonly message: string };

/** An explicit path, the socket of a named daemon, or the only socket. */
export function chooseSocket(
  options: { readonly socket?: string | undefined; readonly daemon?: string | undefined },
  runDirectory = RUN_DIRECTORY,
): SocketChoice {
  if (options.socket !== undefined) return { ok: true, path: options.socket };
  const sockets = socketsIn(runDirectory);
  if (options.daemon !== undefined) {
    return {
      ok: true,
      path: sockets.get(options.daemon) ?? join(runDirectory, `${options.daemon}.sock`),
    };
  }
  const names = [...sockets.keys()].sort();
  const [only] = sockets.values();
  if (only !== undefined && names.length === 1) return { ok: true, path: only };
  if (only === undefined) {
    const message =
      `no control socket in ${runDirectory}: check the daemons with systemctl status ` +
      `'sojourn-*', or give --socket`;
    return { ok: false, reason: 'none', message };
  }
  return {
    ok: false,
    reason: 'several',
    message: `several daemons run on this host; choose one: --daemon ${names.join(' | --daemon ')}`,
  };
}

/** Socket paths by daemon name, in `directory` and in the directories of units below it. */
function socketsIn(directory: string): ReadonlyMap<string, string> {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    const below = entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(directory, name));
    return new Map([directory, ...below].flatMap((each) => directSocketsIn(each)));
  } catch {
    return new Map();
  }
}

function directSocketsIn(directory: string): readonly (readonly [string, string])[] {
  try {
    const files = readdirSync(directory).filter((file) => file.endsWith('.sock'));
    return files.map((file) => [basename(file, '.sock'), join(directory, file)]);
  } catch {
    // A directory that this user may not read.
    return [];
  }
}
