/**
 * Collects the stored records, which arrive in any order, and restores the relay from them.
 *
 * No RFC: the records are this program's own
 */
import { type Ipv4Address, isIpv4 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { DirectedNodes } from './general/directed-nodes.ts';
import type { GeneralNode } from './general/general-node.ts';
import type { RelayDirections } from './general/relay-directions.ts';
import type { RestartRecovery } from './restart-recovery.ts';
import {
  addressOf,
  DIRECTED_TABLE,
  GENERAL_NODES_TABLE,
  NODE_PATHS_TABLE,
  readGeneralNode,
  SHADOWS_TABLE,
} from './stored-records.ts';

type RecordInput = Extract<CommonInput, { readonly kind: 'record' }>;

interface RestorationOptions {
  readonly directions: RelayDirections;
  readonly directed: DirectedNodes;
  readonly restartRecovery: RestartRecovery;
}

export class Restoration {
  readonly #options: RestorationOptions;
  readonly #general = new Map<string, GeneralNode>();
  readonly #directed = new Set<string>();
  readonly #shadows = new Map<string, JsonValue>();

  constructor(options: RestorationOptions) {
    this.#options = options;
  }

  collect({ now }: Step, { table, key, value }: RecordInput): void {
    if (table === NODE_PATHS_TABLE) this.#options.restartRecovery.restore(key, value);
    else if (table === DIRECTED_TABLE) this.#directed.add(key);
    else if (table === SHADOWS_TABLE) this.#shadows.set(key, value);
    else if (table === GENERAL_NODES_TABLE) {
      const node = readGeneralNode(now, key, value);
      if (node !== undefined) this.#general.set(key, node);
    }
  }

  /** Restores everything; the store has no more records. */
  finish(step: Step): void {
    const { directions, directed, restartRecovery } = this.#options;
    for (const [key, node] of this.#general)
      if (!directions.restore(step, node)) this.#general.delete(key);
    for (const key of this.#directed) this.#restoreDirected(step, key);
    for (const nodeId of this.#shadows.keys())
      if (directed.ofNodeId(nodeId) === undefined)
        step.out.push({ kind: 'persist', table: SHADOWS_TABLE, key: nodeId, value: undefined });
    restartRecovery.start(step.now);
    this.#general.clear();
    this.#directed.clear();
    this.#shadows.clear();
  }

  #restoreDirected(step: Step, key: string): void {
    const [nodeId = '', virtualIpv6 = ''] = key.split(' ');
    const general = this.#general.get(virtualIpv6);
    if (general === undefined || !/^[0-9a-f]{32}$/.test(nodeId))
      step.out.push({ kind: 'persist', table: DIRECTED_TABLE, key, value: undefined });
    else this.#options.directed.restore(step, nodeId, general, this.#shadowOf(nodeId));
  }

  #shadowOf(nodeId: string): Ipv4Address | undefined {
    const address = addressOf(this.#shadows.get(nodeId));
    return address !== undefined && isIpv4(address) ? address : undefined;
  }
}
