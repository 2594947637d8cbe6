import { describe, expect, it } from 'vitest';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import {
  createMobileNode,
  type MobileNodeInput,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { warmUp } from '#runtime/warm-up.ts';

describe('the warm-up', () => {
  it('simulates every move up to its acknowledgement, with each algorithm', () => {
    const moves = 9;
    const statuses: string[] = [];
    const acknowledged = warmUp(
      {
        homeAgent: createHomeAgent,
        mobileNode(configuration, random) {
          const engine = createMobileNode(configuration, random);
          return {
            deadline: () => engine.deadline(),
            step(now, input: MobileNodeInput, out) {
              const before = out.length;
              engine.step(now, input, out);
              for (const output of out.slice(before)) {
                if (output.kind === 'event') statuses.push(output.event.name);
              }
            },
          };
        },
      },
      moves,
    );
    expect(acknowledged).toBe(2 * moves);
    expect(statuses.filter((name) => name === 'handover')).toHaveLength(2 * moves);
    expect(statuses.filter((name) => name === 'registered')).toHaveLength(2 * moves);
  });
});
