/** The engine of a home agent, with the ports and the protection that it needs. */
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { interfacesLosingRouterAdvertisements } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import type { EngineSetup } from './engine-daemon.ts';
import { espOfNodes } from './esp-associations.ts';

interface Settings {
  readonly daemon: DaemonSettings;
  readonly homeAgent: HomeAgentConfiguration;
}

export function openHomeAgent({ daemon, homeAgent }: Settings): EngineSetup<Settings> {
  // The host is the router of the home link and would hear its own advertisements.
  const acceptRaInterfaces = interfacesLosingRouterAdvertisements().filter(
    (name) => name !== daemon.device && name !== homeAgent.homeLink,
  );
  const engine = createHomeAgent({ ...homeAgent, acceptRaInterfaces }, randomBytes);
  const esp = espOfNodes(homeAgent, engine);
  return {
    engine,
    protection: esp.protection,
    reconfigure(now, fresh, out) {
      engine.reconfigure(now, { ...fresh.homeAgent, acceptRaInterfaces }, out);
      esp.reconfigure({ now, out }, fresh.homeAgent);
    },
  };
}
