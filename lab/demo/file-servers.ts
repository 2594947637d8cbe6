import type { Background } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';

const PROGRAM = new URL('file-server.ts', import.meta.url).pathname;

/** A server of one file at `/file` in each of the namespaces; SIGUSR1 removes the rate limit. */
export async function startFileServers(
  lab: Lab,
  namespaces: Iterable<string>,
  file: string,
  octetsPerSecond: number,
  port = 80,
): Promise<readonly Background[]> {
  const argv = [process.execPath, PROGRAM, file, String(port), String(octetsPerSecond)];
  const servers = [...namespaces].map((name) => lab.spawn(name, argv));
  for (const server of servers) await server.ready('ready');
  return servers;
}
