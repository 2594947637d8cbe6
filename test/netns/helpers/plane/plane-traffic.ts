/** Traffic between the hosts of plane-hosts.ts. */
import { hex } from '#base/bytes.ts';
import { addressToBytes, ipv6 } from '#base/ip.ts';
import { attempt, Background, run } from '#lab/shell.ts';
import { fillMobilityChecksum } from '#wire/mobility/header.ts';
import { OUTER, type PlaneEnds } from './plane-hosts.ts';

/** An IPv6 packet in hexadecimal digits. */
export function packet6(
  source: string,
  destination: string,
  nextHeader: number,
  payload: Uint8Array,
): string {
  const header = new Uint8Array(40);
  header.set([0x60, 0, 0, 0, payload.length >> 8, payload.length & 255, nextHeader, 64]);
  header.set(addressToBytes(ipv6(source)), 8);
  header.set(addressToBytes(ipv6(destination)), 24);
  return hex(header) + hex(payload);
}

/** The Mobility Header with its checksum: the plane drops those with a wrong one. */
export function withChecksum(
  header: Uint8Array,
  source: string = OUTER.node6,
  destination: string = OUTER.homeAgent6,
): Uint8Array {
  const right = header.slice();
  fillMobilityChecksum(right, ipv6(source), ipv6(destination));
  return right;
}

/**
 * A UDP datagram to the discard port with checksum zero, which an IPv6 receiver drops after the
 * plane.
 */
export const DATAGRAM = Uint8Array.from([0, 9, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4]);

/** What ping prints after three answers or more: it goes on sending until it has the third. */
export const ANSWERED = /\b(?:[3-9]|\d{2,}) received/;

/**
 * Waits for three answers or five seconds. Without a deadline, ping waits for the last answer only
 * two round trips.
 */
export async function ping(
  namespace: string,
  target: string,
  ...options: string[]
): Promise<string> {
  const { stdout } = await attempt(
    ['ping', '-n', '-c', '3', '-i', '0.05', '-w', '5', ...options, target],
    {
      namespace,
    },
  );
  return stdout;
}

export interface IperfEnd {
  readonly sum_received?: { readonly bytes: number };
  readonly sum?: { readonly packets: number; readonly lost_packets: number };
}

interface Namespaced {
  readonly namespace: string;
}

/** Runs iperf3 from the node to a server at the home agent, and `meanwhile` at the same time. */
export async function iperf(
  hosts: { readonly homeAgent: Namespaced; readonly node: Namespaced },
  options: readonly string[],
  meanwhile: () => Promise<void> = async () => {},
): Promise<IperfEnd> {
  const server = new Background(['iperf3', '-s', '-1', '--forceflush'], {
    namespace: hosts.homeAgent.namespace,
    logFile: `/run/${hosts.homeAgent.namespace}-iperf3.log`,
  });
  await server.ready('Server listening');
  const [text] = await Promise.all([
    run(['iperf3', '-J', ...options], { namespace: hosts.node.namespace }),
    meanwhile(),
  ]);
  await server.stop();
  const report: { end: IperfEnd } = JSON.parse(text);
  return report.end;
}

/**
 * Datagrams that the kernel of `namespace` dropped because no thread read its socket in time. On a
 * busy machine the threads of the planes wait for a processor; this loss is no fault of the plane.
 * The kernel may count several datagrams of a flow, up to 64 KiB, as one.
 */
export async function overflows(namespace: string): Promise<number> {
  const files = ['cat', '/proc/net/snmp', '/proc/net/snmp6'];
  const text = await run(files, { namespace });
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Udp: '));
  const ipv4 = values.split(' ')[names.split(' ').indexOf('RcvbufErrors')];
  const ipv6 = /^Udp6RcvbufErrors\s+(\d+)/m.exec(text)?.[1];
  return Number(ipv4) + Number(ipv6);
}

export async function download(
  hosts: PlaneEnds,
  target: string,
  ...options: string[]
): Promise<number> {
  return (await iperf(hosts, ['-c', target, ...options])).sum_received?.bytes ?? 0;
}
