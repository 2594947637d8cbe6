/** The engine of a home agent, with the ports and the protection that it needs. */
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { openInternetAccess, removeInternetAccess } from '#host/kernel/internet-access.ts';
import { openNodeGroups } from '#host/kernel/node-groups.ts';
import { interfacesLosingRouterAdvertisements } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import type { InternetAccessPort, NodeGroupsPort } from '#runtime/ports.ts';
import { daemonKey } from './daemon-key.ts';
import type { EngineHost, EngineSetup } from './engine-daemon.ts';
import { espOfNodes } from './esp-associations.ts';

interface HomeAgentSettings {
  readonly daemon: DaemonSettings;
  readonly homeAgent: HomeAgentConfiguration;
  readonly connectionsOfNode: number;
}

export async function openHomeAgent<S extends HomeAgentSettings>(
  settings: S,
  host: EngineHost,
): Promise<EngineSetup<S>> {
  const { daemon, homeAgent } = settings;
  // The host is the router of the home link and would hear its own advertisements.
  const acceptRaInterfaces = interfacesLosingRouterAdvertisements().filter(
    (name) => name !== daemon.device && name !== homeAgent.homeLink,
  );
  const configuration = { ...homeAgent, acceptRaInterfaces };
  const engine = createHomeAgent(configuration, randomBytes, daemonKey(daemon));
  const esp = espOfNodes(homeAgent, engine);
  return {
    engine,
    protection: esp.protection,
    ports: { ...(await internetAccess(settings, host)), nodeGroups: await groups(settings, host) },
    reconfigure(now, fresh, out) {
      engine.reconfigure(now, { ...fresh.homeAgent, acceptRaInterfaces }, out);
      esp.reconfigure({ now, out }, fresh.homeAgent);
    },
  };
}

/** None without translation; then the table of a killed run, if any, is removed. */
async function internetAccess(
  { daemon, homeAgent, connectionsOfNode }: HomeAgentSettings,
  { context, resources }: EngineHost,
): Promise<{ readonly internetAccess?: InternetAccessPort }> {
  if ((homeAgent.internet ?? 'routed') === 'routed') {
    removeInternetAccess(daemon.device);
    return {};
  }
  const access = await openInternetAccess({
    device: daemon.device,
    homeLink: homeAgent.homeLink,
    connectionsOfNode,
    onLost: (error) => context.fatal(error),
  });
  resources.defer(() => access.close());
  return { internetAccess: access };
}

async function groups(
  { daemon, homeAgent }: HomeAgentSettings,
  { context, resources }: EngineHost,
): Promise<NodeGroupsPort> {
  const isRequired = homeAgent.mobileNodes.some(({ group }) => group !== undefined);
  const options = { device: daemon.device, onLost: (error: unknown) => context.fatal(error) };
  const opened = await openNodeGroups(options, isRequired);
  resources.defer(() => opened.close());
  return opened;
}
