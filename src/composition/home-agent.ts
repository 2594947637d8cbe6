/** The engine of a home agent, with the ports and the protection that it needs. */

import type { KeyPair } from '#crypto/primitives.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { openInnerAddresses } from '#host/kernel/inner-addresses.ts';
import { openInternetAccess, removeInternetAccess } from '#host/kernel/internet-access.ts';
import { openNodeGroups } from '#host/kernel/node-groups.ts';
import { interfacesLosingRouterAdvertisements } from '#host/kernel/sysctl.ts';
import { randomBytes } from '#host/process/random.ts';
import { SystemError } from '#host/process/system-error.ts';
import type { InnerAddressPort, InternetAccessPort, NodeGroupsPort } from '#runtime/ports.ts';
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
  const engine = createHomeAgent(configuration, randomBytes, ownKey(settings, host));
  const esp = espOfNodes(homeAgent, engine);
  return {
    engine,
    protection: esp,
    ports: {
      ...(await internetAccess(settings, host)),
      innerAddresses: await innerAddresses(settings, host),
      nodeGroups: await groups(settings, host),
      espSequences: true,
    },
    reconfigure(now, fresh, out) {
      const step = { now, out };
      const first = out.length;
      engine.reconfigure(now, { ...fresh.homeAgent, acceptRaInterfaces }, out);
      esp.follow(step, first);
      esp.reconfigure(step, fresh.homeAgent);
    },
  };
}

/** What keeps a file from being made while the daemon can serve without it. */
const DISK_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/**
 * Nodes without public keys are served while the disk of a new home agent is full: undefined then,
 * and a restart with space makes the key.
 */
function ownKey(
  { daemon, homeAgent }: HomeAgentSettings,
  { context }: EngineHost,
): KeyPair | undefined {
  try {
    return daemonKey(daemon);
  } catch (thrown) {
    const isNeeded = homeAgent.mobileNodes.some(({ publicKey }) => publicKey !== undefined);
    if (isNeeded || !(thrown instanceof SystemError && DISK_FAULTS.has(thrown.code))) throw thrown;
    context.log.warn('config-warning', {}, `no node can enrol until a restart: ${thrown.message}`);
    return undefined;
  }
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
    onRefused: (error) => noteRefusal(context, 'masquerade', error),
  });
  resources.defer(() => access.close());
  return { internetAccess: access };
}

/** A kernel without `fib` in nftables serves nodes without this protection, and says so. */
async function innerAddresses(
  { daemon: { device }, homeAgent: { homeLink } }: HomeAgentSettings,
  { context, resources }: EngineHost,
): Promise<InnerAddressPort> {
  try {
    const opened = await openInnerAddresses({
      ...{ device, configured: [], owner: 'nodes' },
      trusted: homeLink === undefined ? [] : [homeLink],
      onLost: (error) => context.fatal(error),
      onRefused: (error) => noteRefusal(context, 'inner-prefix', error),
    });
    resources.defer(() => opened.close());
    return opened;
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    noteRefusal(context, 'inner-prefix', thrown);
    return { protect() {}, release() {} };
  }
}

async function groups(
  { daemon, homeAgent }: HomeAgentSettings,
  { context, resources }: EngineHost,
): Promise<NodeGroupsPort> {
  const { mobileNodes, isolate = true } = homeAgent;
  const isRequired = isolate && mobileNodes.some(({ group }) => group !== undefined);
  const options = {
    device: daemon.device,
    onLost: (error: Error) => context.fatal(error),
    onRefused: (error: Error) => noteRefusal(context, 'group-member', error),
  };
  const opened = await openNodeGroups(options, isRequired);
  resources.defer(() => opened.close());
  return opened;
}

/** nft refused a change that was not a call: the port tries again. */
function noteRefusal({ events }: EngineHost['context'], what: string, { message }: Error): void {
  const fields = { what, error: message };
  events.event({ name: 'kernel-refused', level: 'warn', fields }, Date.now());
}
