/**
 * Debian's Teredo (RFC 4380) for comparison: miredo-server and a relay on the host `teredo` at the
 * core, and miredo as a client on any node.
 *
 * Root in a user namespace with a single id cannot start them, because miredo changes its user.
 * {@link teredoObstacle} detects this beforehand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isProgram, LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES, coreLink } from '#lab/networks.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';

const DEVICE = 'teredo';
const UNPRIVILEGED = 'nobody';
const UNPRIVILEGED_ID = 65534;
/** Index of the link between the core and the host `teredo` (see builder.ts). */
const LINK_INDEX = 9;

/** The reason why Teredo cannot run here, as text; undefined if it can. */
export function teredoObstacle(): string | undefined {
  const missing = ['miredo', 'miredo-server'].filter((program) => !isProgram(program));
  if (missing.length > 0)
    return `${missing.join(' and ')} not installed (Debian packages miredo, miredo-server)`;
  const mapped = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n');
  const known = mapped.some((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return UNPRIVILEGED_ID >= first && UNPRIVILEGED_ID < first + count;
  });
  return known
    ? undefined
    : 'miredo changes its user, which takes root or subordinate ids (/etc/subuid, package uidmap)';
}

function start(
  lab: Lab,
  namespace: string,
  program: string,
  name: string,
  configuration: readonly string[],
): Background {
  const file = `${LAB_DIRECTORY}/${name}.conf`;
  writeFileSync(file, configuration.map((line) => `${line}\n`).join(''));
  const pidFile = `${LAB_DIRECTORY}/${name}.pid`;
  const argv = [program, '-f', '-u', UNPRIVILEGED, '-p', pidFile, '-c', file];
  return lab.spawn(namespace, argv, { logName: name });
}

/** Whether a host answers at an address within the time. */
export async function reaches(
  lab: Lab,
  from: string,
  address: string,
  patienceMs: number,
): Promise<boolean> {
  const seconds = String(Math.ceil(patienceMs / 1000));
  const { code } = await lab.attempt(from, [
    'ping',
    '-n',
    '-c',
    '1',
    '-i',
    '0.2',
    '-w',
    seconds,
    address,
  ]);
  return code === 0;
}

/** Starts server and relay; the lab must have the server `teredo`. They end with the lab. */
export async function startTeredo(lab: Lab): Promise<void> {
  const { teredoIpv4 } = ADDRESSES;
  start(lab, 'teredo', 'miredo-server', 'teredo-server', [`ServerBindAddress ${teredoIpv4}`]);
  // Bound to one address, because packets to the server on the same host would otherwise have
  // another source.
  const own = `BindAddress ${coreLink(LINK_INDEX).far4}`;
  start(lab, 'teredo', 'miredo', 'teredo-relay', [
    'RelayType cone',
    `InterfaceName ${DEVICE}`,
    own,
  ]);
  const ready = async (): Promise<boolean> => {
    const routes = await lab.exec('teredo', ['ip', '-6', 'route', 'show', '2001::/32']);
    const sockets = await lab.exec('teredo', ['cat', '/proc/net/udp']);
    // 3544 in hexadecimal, on both addresses.
    return routes.includes(`dev ${DEVICE}`) && sockets.split(':0DD8 ').length === 3;
  };
  await waitFor(ready, { timeoutMs: 10_000, intervalMs: 20, what: 'the Teredo server and relay' });
}

/** A Teredo client on a node, in the node's present network. */
export class TeredoClient implements AsyncDisposable {
  readonly node: string;
  readonly #lab: Lab;
  readonly #process: Background;

  constructor(lab: Lab, node: string) {
    this.node = node;
    this.#lab = lab;
    const server = `ServerAddress ${ADDRESSES.teredoIpv4}`;
    this.#process = start(lab, node, 'miredo', `teredo-${node}`, [
      `InterfaceName ${DEVICE}`,
      server,
    ]);
  }

  /** The address assigned by the server; undefined if there is none after the time. */
  async address(patienceMs: number): Promise<string | undefined> {
    const find = async (): Promise<string | undefined> => {
      const { finished } = this.#process;
      if (finished !== undefined)
        throw new Error(
          `miredo in ${this.node} ended (${finished.code}):\n${this.#process.output()}`,
        );
      const { stdout } = await this.#lab.attempt(this.node, [
        'ip',
        '-oneline',
        '-6',
        'address',
        'show',
        'dev',
        DEVICE,
      ]);
      return / (2001:0:[0-9a-f:]+)\/32 /.exec(stdout)?.[1];
    };
    return await waitFor(find, {
      timeoutMs: patienceMs,
      intervalMs: 20,
      what: 'a Teredo address',
    }).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}
