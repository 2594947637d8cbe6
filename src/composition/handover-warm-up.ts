/** The warm-up of daemons that serve Mobile IPv6, with both real engines. */
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { warmUp } from '#runtime/warm-up.ts';

/** Plays handovers in memory, so that the first real one does not wait for the compiler. */
export function warmUpHandovers(): void {
  warmUp({
    homeAgent: createHomeAgent,
    mobileNode: (configuration, random, own) => createMobileNode(configuration, random, { own }),
  });
}
