/** The kernel state of hosts in each network, to check that a later visit leaves nothing behind. */
import { expect } from 'vitest';
import type { AttachmentPoint } from '#lab/network.ts';
import { ATTACHMENT_POINTS } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { difference } from './host-state.ts';

const SOON = { timeoutMs: 10_000, intervalMs: 50 } as const;

export class NetworkStates {
  readonly #lab: Lab;
  readonly #node: string;
  readonly #state: () => Promise<readonly string[]>;
  readonly #atRest: () => Promise<boolean>;
  readonly #recorded = new Map<AttachmentPoint, readonly string[]>();
  readonly #visited: AttachmentPoint[] = [];

  /**
   * `state`: lines of all hosts concerned, among them the rules of the moving `node`. `atRest`: the
   * node uses its best path. On a slow machine another one may win the race of its first Binding
   * Updates; the node comes back by a trial.
   */
  constructor(
    lab: Lab,
    node: string,
    state: () => Promise<readonly string[]>,
    atRest: () => Promise<boolean>,
  ) {
    this.#lab = lab;
    this.#node = node;
    this.#state = state;
    this.#atRest = atRest;
  }

  /** Expects that the state in `network` is soon the same as on the previous visit. */
  async expectSame(network: AttachmentPoint): Promise<void> {
    this.#visited.push(network);
    await waitFor(this.#atRest, {
      ...SOON,
      timeoutMs: 30_000,
      what: `the best path of ${network}`,
    });
    const former = this.#recorded.get(network);
    if (former === undefined) {
      this.#recorded.set(network, await this.#settled(network));
      return;
    }
    let left: readonly string[] = [];
    const same = async (): Promise<boolean> => {
      left = difference(former, await this.#state());
      return left.length === 0;
    };
    await waitFor(same, { ...SOON, what: `the state of ${network}` }).catch(() => undefined);
    expect(left.join('\n'), `leftovers after ${this.#visited.join(' ')}`).toBe('');
  }

  /**
   * The state once there is a rule for each address of the network: the addresses come one after
   * the other, and registration waits for one only.
   */
  async #settled(network: AttachmentPoint): Promise<readonly string[]> {
    const { ipv4, ipv6 } = ATTACHMENT_POINTS[network];
    const families = [
      ...(ipv4 === undefined ? [] : [4 as const]),
      ...(ipv6 === undefined ? [] : [6 as const]),
    ];
    const wanted: string[] = [];
    for (const family of network === 'home' ? [] : families) {
      const { address } = await this.#lab.waitForAddress(this.#node, family, {
        timeoutMs: SOON.timeoutMs,
      });
      wanted.push(`from ${address} `);
    }
    return await waitFor(
      async () => {
        const state = await this.#state();
        return wanted.every((text) => state.some((line) => line.includes(text)))
          ? state
          : undefined;
      },
      { ...SOON, what: `rules of ${wanted.join(', ')}` },
    );
  }
}
