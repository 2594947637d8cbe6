/**
 * The container lab: its containers and their health, and the networks that nodes are connected to.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '#base/json.ts';
import { docker, execute } from './docker.ts';
import {
  type AccessNetwork,
  dockerName,
  isAccessNetwork,
  MOVING_NODES,
  type MovingNode,
} from './topology.ts';

const PREFIX = dockerName('');
const POLL_MS = 200;

interface LabContainer {
  readonly name: string;
  /** `healthy`, `starting`, `unhealthy`, or the state of a container without a health check. */
  readonly state: string;
  readonly networks: readonly string[];
}

/** Every container of the lab, sorted by name. Throws `DockerError`. */
export async function containers(): Promise<readonly LabContainer[]> {
  const format = '{{.Names}}\t{{.State}}\t{{.Status}}\t{{.Networks}}';
  const text = await docker('ps', '--all', '--filter', `name=^${PREFIX}`, '--format', format);
  const rows = text.split('\n').filter((line) => line !== '');
  return rows
    .map((line): LabContainer => {
      const [name = '', state = '', status = '', networks = ''] = line.split('\t');
      const health = /\((healthy|unhealthy|health: starting)\)/
        .exec(status)?.[1]
        ?.replace('health: ', '');
      return {
        name: name.slice(PREFIX.length),
        state: state === 'running' ? (health ?? state) : `${state}: ${status}`,
        networks: networks.split(',').map((network) => network.replace(PREFIX, '')),
      };
    })
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

export function statusRows(all: readonly LabContainer[]): readonly JsonObject[] {
  return all.map(({ name, state, networks }) => ({
    container: name,
    state,
    networks: [...networks],
  }));
}

export const NO_CONTAINERS =
  'the lab is not up (run docker compose up -d in the directory of compose.yaml)';

/** Waits until every container is healthy; returns those that are not within the time. */
export async function waitUntilHealthy(
  seconds: number,
  progress: (text: string) => void,
): Promise<readonly LabContainer[]> {
  const end = performance.now() + seconds * 1000;
  let lastText = '';
  for (;;) {
    const all = await containers();
    const waiting = all.filter(({ state }) => state !== 'healthy');
    if (all.length > 0 && waiting.length === 0) return [];
    const text =
      all.length === 0
        ? NO_CONTAINERS
        : `waiting for ${waiting.map(({ name }) => name).join(', ')}`;
    if (text !== lastText) progress(text);
    lastText = text;
    if (performance.now() > end) return waiting;
    await delay(1000);
  }
}

/** The access network that a node is connected to, if any. */
async function accessNetworkOf(node: MovingNode): Promise<AccessNetwork | undefined> {
  const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}';
  const names = (await docker('inspect', '--format', format, dockerName(node))).trim().split(' ');
  return names.map((name) => name.replace(PREFIX, '')).find(isAccessNetwork);
}

/** Disconnects the node from its access network and connects it to another one. */
export async function move(node: MovingNode, network: AccessNetwork): Promise<void> {
  const present = await accessNetworkOf(node);
  if (present === network) return;
  if (present !== undefined)
    await docker('network', 'disconnect', dockerName(present), dockerName(node));
  await docker('network', 'connect', dockerName(network), dockerName(node));
}

/** Moves every node to its network in compose.yaml. */
export async function reset(): Promise<void> {
  for (const [node, network] of Object.entries(MOVING_NODES)) {
    if (isMovingNodeEntry(node)) await move(node, network);
  }
}

function isMovingNodeEntry(node: string): node is MovingNode {
  return Object.hasOwn(MOVING_NODES, node);
}

/** Waits until the node's daemon is registered; false after the time. */
export async function waitUntilRegistered(node: MovingNode, seconds = 60): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const { code } = await execute(dockerName(node), 'sojourn', 'status');
    if (code === 0) return true;
    await delay(POLL_MS);
  }
  return false;
}
