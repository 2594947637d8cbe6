/**
 * Puts together what the store gives in any order.
 *
 * No RFC: records of our own
 */
import { isIpv4 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { DirectedNodes } from './directed-nodes.ts';
import type { GeneralNode } from './general-nodes.ts';
import type { RelayDirections } from './relay-directions.ts';
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

export class Restoration {
  readonly #parts: {
    directions: RelayDirections;
    directed: DirectedNodes;
    recalls: RestartRecovery;
  };
  readonly #persist: (table: string, key: string, value: JsonValue | undefined) => void;
  readonly #general = new Map<string, GeneralNode>();
  readonly #directed = new Set<string>();
  readonly #shadows = new Map<string, JsonValue>();

  constructor(
    parts: { directions: RelayDirections; directed: DirectedNodes; recalls: RestartRecovery },
    persist: (table: string, key: string, value: JsonValue | undefined) => void,
  ) {
    this.#parts = parts;
    this.#persist = persist;
  }

  take(now: Monotonic, { table, key, value }: RecordInput): void {
    if (table === NODE_PATHS_TABLE) this.#parts.recalls.restore(key, value);
    else if (table === DIRECTED_TABLE) this.#directed.add(key);
    else if (table === SHADOWS_TABLE) this.#shadows.set(key, value);
    else if (table === GENERAL_NODES_TABLE) {
      const node = readGeneralNode(now, key, value);
      if (node !== undefined) this.#general.set(key, node);
    }
  }

  /** Everything was given. */
  finish(now: Monotonic): void {
    for (const [key, node] of this.#general)
      if (!this.#parts.directions.restore(node)) this.#general.delete(key);
    for (const key of this.#directed) {
      const [nodeId = '', virtualIpv6 = ''] = key.split(' ');
      const general = this.#general.get(virtualIpv6);
      if (general === undefined || !/^[0-9a-f]{32}$/.test(nodeId))
        this.#persist(DIRECTED_TABLE, key, undefined);
      else this.#parts.directed.restore(now, nodeId, general, this.#shadowOf(nodeId));
    }
    for (const nodeId of this.#shadows.keys())
      if (this.#parts.directed.of(nodeId) === undefined)
        this.#persist(SHADOWS_TABLE, nodeId, undefined);
    this.#parts.recalls.start(now);
    this.#general.clear();
    this.#directed.clear();
    this.#shadows.clear();
  }

  #shadowOf(nodeId: string) {
    const address = addressOf(this.#shadows.get(nodeId));
    return address !== undefined && isIpv4(address) ? address : undefined;
  }
}
