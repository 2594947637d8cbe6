import { describe, expect, it } from 'vitest';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import {
  createMobileNode,
  type MobileNodeInput,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { warmUp } from '#runtime/warm-up.ts';

describe('the warm-up', () => {
  it('simulates every move up to its acknowledgement, with each protection', () => {
    const moves = 9;
    const handshakes = 3;
    const statuses: string[] = [];
    const sent = warmUp(
      {
        homeAgent: createHomeAgent,
        mobileNode(configuration, random, own) {
          const engine = createMobileNode(configuration, random, { own });
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
      handshakes,
    );
    // Two moves for each handshake, and the answer to the node's Keep Alive.
    expect(sent).toBe(2 * moves + 3 * handshakes);
    const acknowledged = 2 * moves + 2 * handshakes;
    expect(statuses.filter((name) => name === 'handover')).toHaveLength(acknowledged);
    expect(statuses.filter((name) => name === 'registered')).toHaveLength(acknowledged);
  });
});
