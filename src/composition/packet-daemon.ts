/**
 * A daemon that forwards packets: data plane, kernel tables and packet filter around one engine
 * (home agent, mobile node, mobile router, relay).
 */
import type { IpAddress } from '#base/ip.ts';
import type { Change } from '#daemon/configuration/config-difference.ts';
import type { DaemonSettings, PlaneDaemonSettings } from '#daemon/daemon-settings.ts';
import type { DaemonContext, RunningDaemon } from '#daemon/daemon-spec.ts';
import type { RegistrationKeyOwner } from '#engine/contract/registration-key-owner.ts';
import { guardTunnels, openPacketFilter } from '#host/kernel/packet-filter.ts';
import { openPlane } from '#host/plane/plane.ts';
import type { PlaneOptions, PlanePort } from '#runtime/ports.ts';
import { type EngineHost, type EngineSetup, startEngineDaemon } from './engine-daemon.ts';
import { openOwnKernel, type Role, removeKernelState } from './own-kernel.ts';
import { type DaemonDescription, runServiceDaemon } from './service-daemon.ts';

/** Only daemons that serve Mobile IPv6 have a raw path and hold early data. */
type PlaneSettings = PlaneDaemonSettings &
  Partial<Pick<DaemonSettings, 'rawPath' | 'earlyDataHoldMs'>>;

interface WithPlaneSection {
  readonly daemon: PlaneSettings;
}

/** Options of the plane that differ from daemon to daemon; `daemon:` gives the others. */
export type PlaneChoice = Pick<PlaneOptions, 'lookup'> &
  Partial<
    Pick<
      PlaneOptions,
      | 'udpPort'
      | 'sealedPort'
      | 'mark'
      | 'raw'
      | 'linkDevices'
      | 'discovery'
      | 'espPort'
      | 'noticeUnknownEndpoints'
      | 'optimized'
    >
  >;

interface PacketDaemonSpec<S extends WithPlaneSection> extends DaemonDescription<S> {
  /** The role whose routing protocol number marks the kernel state of this daemon. */
  readonly kernelOwner: Role;
  plane(settings: S): PlaneChoice;
  /**
   * The daemon's own addresses, fixed for the whole run: Mobility Headers to any other address are
   * data. Default: the engine's ports say which addresses are local.
   */
  addresses?(settings: S): readonly IpAddress[];
  /** The keys of registrations; none unless given. */
  registrationKeys?(settings: S): readonly RegistrationKeyOwner[];
  /** Reloadable keys of `fresh` that need what the plane opened with `started` does not have. */
  needsRestart?(started: S, fresh: S): readonly Change[];
  /** Runs before anything is open that could wait for it. */
  warmUp?(settings: S): void;
  /** Runs after the kernel state of a killed run is removed, so that it sees the host's own. */
  engine(settings: S, host: EngineHost): EngineSetup<S> | Promise<EngineSetup<S>>;
}

/** Runs the daemon; ends the process. */
export function runPacketDaemon<S extends WithPlaneSection>(
  spec: PacketDaemonSpec<S>,
): Promise<void> {
  return runServiceDaemon<S>({
    ...spec,
    start: (settings, context) => startPacketDaemon(spec, settings, context),
    cleanup(settings) {
      removeKernelState(spec.kernelOwner, settings.daemon);
      spec.cleanup?.(settings);
    },
  });
}

async function startPacketDaemon<S extends WithPlaneSection>(
  spec: PacketDaemonSpec<S>,
  settings: S,
  context: DaemonContext,
): Promise<RunningDaemon<S>> {
  spec.warmUp?.(settings);
  const { daemon } = settings;
  const planes: PlanePort[] = [];
  const setKeys = (of: S): void => {
    const keys = spec.registrationKeys?.(of) ?? [];
    for (const plane of planes) plane.registrationKeysSet(keys);
  };
  const running = await startEngineDaemon<S>(
    {
      daemon,
      makeEngine: (host) => spec.engine(settings, host),
      async openPorts(host, opened) {
        const options = planeOptions(daemon, spec.plane(settings));
        const plane = opened.adopt(openPlane(options), (it) => it.close());
        const addresses = spec.addresses?.(settings);
        if (addresses !== undefined) plane.setLocalAddresses(addresses);
        plane.ownSpisChange([], []);
        planes.push(plane);
        setKeys(settings);
        const kernel = openOwnKernel(spec.kernelOwner, daemon, host.clock, {
          name: daemon.device,
          mtu: daemon.deviceMtu,
          reopen: () => plane.reopenDevice(),
        });
        opened.adopt(kernel, (it) => it.close());
        // Settings that a killed run changed would be taken for the host's own.
        kernel.sweep();
        return { plane: await filtered(plane, options, addresses, host), kernel };
      },
    },
    context,
  );
  return {
    ...running,
    needsRestart: (fresh) => spec.needsRestart?.(settings, fresh) ?? [],
    async reconfigure(fresh) {
      await running.reconfigure?.(fresh);
      setKeys(fresh);
    },
  };
}

function planeOptions(daemon: PlaneSettings, choice: PlaneChoice): PlaneOptions {
  return {
    device: daemon.device,
    deviceMtu: daemon.deviceMtu,
    threads: daemon.threads,
    udpPort: 0,
    mark: 0,
    raw: daemon.rawPath ?? false,
    linkDevices: [],
    holdMs: daemon.earlyDataHoldMs ?? 0,
    ...choice,
  };
}

/** With a raw path: keeps the kernel from answering packets that the plane serves. */
async function filtered(
  plane: PlanePort,
  { device, raw }: PlaneOptions,
  addresses: readonly IpAddress[] = [],
  { context, resources }: EngineHost,
): Promise<PlanePort> {
  if (!raw) return plane;
  const onLost = (error: unknown): void => context.fatal(error);
  const filter = await openPacketFilter({ table: device, addresses, onLost });
  resources.defer(() => filter.close());
  return guardTunnels(plane, filter);
}
