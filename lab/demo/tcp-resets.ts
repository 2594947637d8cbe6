import { run } from '#lab/shell.ts';

/**
 * Number of TCP connections of a namespace that either side has reset so far, including refused
 * connections.
 */
export async function tcpResets(namespace: string): Promise<number> {
  const text = await run(['cat', '/proc/net/snmp'], { namespace });
  const [names, numbers] = text.split('\n').filter((line) => line.startsWith('Tcp:'));
  const values = (numbers ?? '').split(' ');
  const counters = new Map((names ?? '').split(' ').map((name, at) => [name, Number(values[at])]));
  return (counters.get('EstabResets') ?? 0) + (counters.get('OutRsts') ?? 0);
}

/** The sum over several namespaces. */
export async function resetsOf(namespaces: readonly string[]): Promise<number> {
  const counts = await Promise.all(namespaces.map(tcpResets));
  return counts.reduce((sum, count) => sum + count, 0);
}
