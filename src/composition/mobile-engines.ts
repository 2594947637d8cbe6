/**
 * Puts the engine of a mobile node or router, of an NTMobile node or both, their driver and the
 * host together. Nothing is decided here.
 */
import { join } from 'node:path';
import { assert } from '#base/assert.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type { DaemonContext, RunningDaemon } from '#daemon/lifecycle.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  createMobileNode,
  type MobileNodeEngine,
  type MobileNodeInput,
} from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import type { NameServer } from '#host/dns/dns-exchange.ts';
import { createResolver, hostAddresses } from '#host/dns/resolver.ts';
import { guardTunnels, openPacketFilter } from '#host/kernel/packet-filter.ts';
import { openPlane } from '#host/plane/plane.ts';
import { createClock } from '#host/process/clock.ts';
import { createDriver, type DriverInput } from '#runtime/driver.ts';
import type { PlanePort } from '#runtime/ports.ts';
import { warmUp } from '#runtime/warm-up.ts';
import { withMessageWatch } from '#runtime/watched-engine.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import type { HostNames } from './host-names.ts';
import { type EngineWithCounters, joinEngines } from './joined-engines.ts';
import { openNtmobile } from './ntmobile-part.ts';
import type { NtmobileSettings } from './ntmobile-settings.ts';
import { openOwnKernel, type Role } from './own-kernel.ts';

const DNS_PORT = 53;

export interface MobileDaemonSpec {
  readonly role: Role;
  readonly daemon: DaemonSettings;
  /** With no homes only what concerns the host is of interest. */
  readonly node: MobileNodeConfiguration;
  /**
   * Interfaces of mobile networks: what is asked from an address there goes into the tunnel, which
   * waits for the answer.
   */
  readonly mobileNetworkDevices?: readonly string[];
  /** Of Mobile IPv6; undefined: there are no homes, and there is NTMobile. */
  readonly engine: MobileNodeEngine | undefined;
  readonly ntmobile?: NtmobileSettings | undefined;
}

/**
 * Starts it; what was opened until something failed is closed again. `nodeOf`: what of other
 * settings is about the node.
 */
export async function startMobileDaemon<S>(
  parts: MobileDaemonSpec,
  house: DaemonContext,
  nodeOf: (settings: S) => MobileNodeConfiguration,
): Promise<RunningDaemon<S>> {
  const { role, daemon, node, engine, mobileNetworkDevices = [] } = parts;
  // Before anything is open that could be kept waiting.
  if (engine !== undefined) warmUp({ homeAgent: createHomeAgent, mobileNode: createMobileNode });
  await using made = new AsyncDisposableStack();
  const clock = createClock();
  const store = made.adopt(
    openSqliteStore(join(daemon.stateDirectory, `${daemon.name}.sqlite`)),
    (it) => it.close(),
  );
  const sources = () => hostAddresses([daemon.device, ...mobileNetworkDevices]);
  const { interfaces, homes } = node;
  const surroundings = { daemon, interfaces, homes, clock, events: house.events, sources };
  const ntmobile = parts.ntmobile && (await openNtmobile(parts.ntmobile, surroundings));
  const names = ntmobile && made.use(ntmobile.names);
  const servers = daemon.resolvers.map((address) => ({ address, port: DNS_PORT }));
  const plane = made.adopt(openMobilePlane(parts), (it) => it.close());
  const kernel = made.adopt(openOwnKernel(role, daemon, clock), (it) => it.close());
  const filter = hasRawPath(parts)
    ? await openPacketFilter({
        table: daemon.device,
        addresses: [],
        onLost: (error) => house.fatal(error),
      })
    : undefined;
  made.defer(() => filter?.close());
  const driver = createDriver({
    engine: withMessageWatch(engineOf(engine, ntmobile?.engine), house.messages),
    clock,
    plane: filter === undefined ? plane : guardTunnels(plane, filter),
    kernel,
    // Mobility Headers and tunnels of nodes behind us are data that we forward.
    localAddresses: (links) => [
      ...homes.map(({ homeAddress }) => homeAddress),
      ...links.flatMap((link) => link.addresses.map(({ address }) => address)),
    ],
    store,
    events: house.events,
    resolver: createResolver({ sources, ...resolversOf(names, servers) }),
    ...(ntmobile === undefined ? {} : { login: ntmobile.login, names: ntmobile.names.stub }),
    control: house.control,
    onFatal: (error) => house.fatal(error),
  });
  driver.start();
  await names?.use();
  // From here on the driver closes what was opened.
  made.move();
  return {
    reconfigure: (settings) =>
      driver.reconfigure((now, out) => {
        engine?.reconfigure(now, nodeOf(settings), out);
        ntmobile?.engine.reconfigure(now, nodeOf(settings), out);
      }),
    async stop() {
      // First, so that nobody asks who does not answer any more.
      await names?.[Symbol.asyncDispose]();
      const failures = driver.stop();
      await filter?.close();
      return failures;
    },
    overdueMs: () => driver.overdueMs(),
  };
}

/**
 * Beside a stub it is the stub's to know whom to ask; otherwise the operator's servers, or those of
 * /etc/resolv.conf.
 */
function resolversOf(names: HostNames | undefined, servers: readonly NameServer[]) {
  if (names !== undefined) return { servers: () => names.servers() };
  return servers.length > 0 ? { servers } : {};
}

/** Only Mobile IPv6 has packets that the kernel would answer. */
function hasRawPath({ daemon, engine }: MobileDaemonSpec): boolean {
  return daemon.rawPath && engine !== undefined;
}

function openMobilePlane(parts: MobileDaemonSpec): PlanePort {
  const { daemon, node, engine, ntmobile } = parts;
  return openPlane({
    device: daemon.device,
    side: 'mobile-node',
    deviceMtu: daemon.deviceMtu,
    udpPort: engine === undefined ? 0 : node.udpPort,
    threads: daemon.threads,
    mark: node.mark,
    raw: hasRawPath(parts),
    linkDevices: [],
    holdMs: daemon.earlyDataHoldMs,
    ...(ntmobile === undefined ? {} : { sealedPort: ntmobile.node.port }),
  });
}

function engineOf(
  mobileIpv6: EngineWithCounters<MobileNodeInput> | undefined,
  ntmobile: EngineWithCounters<NtmobileNodeInput> | undefined,
): EngineWithCounters<DriverInput> {
  if (ntmobile !== undefined) return joinEngines({ mobileIpv6, ntmobile });
  assert(mobileIpv6 !== undefined, 'a daemon with something to do');
  return mobileIpv6;
}

/** One sentence for each home that registers without authentication. */
export function openHomes({ homes }: MobileNodeConfiguration): readonly string[] {
  return homes
    .filter((home) => home.registrationKey === undefined)
    .map((home) => `home "${home.name}" has security: none: registrations are not authenticated`);
}
