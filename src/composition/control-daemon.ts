/** A daemon with an engine that exchanges control datagrams and forwards no packets. */
import { DatagramSockets, type ListenAt } from '#host/datagram-sockets.ts';
import { NO_KERNEL, planeWithoutTunnels } from './control-ports.ts';
import { type EngineHost, type EngineSetup, startEngineDaemon } from './engine-daemon.ts';
import {
  type DaemonDescription,
  runServiceDaemon,
  type WithDaemonSection,
} from './service-daemon.ts';

interface ControlDaemonSpec<S extends WithDaemonSection> extends DaemonDescription<S> {
  /** UDP endpoints that the engine's datagrams arrive at and leave from. */
  endpoints(settings: S): readonly ListenAt[];
  engine(settings: S, host: EngineHost): EngineSetup<S> | Promise<EngineSetup<S>>;
}

/** Runs the daemon; ends the process. */
export function runControlDaemon<S extends WithDaemonSection>(
  spec: ControlDaemonSpec<S>,
): Promise<void> {
  return runServiceDaemon<S>({
    ...spec,
    start: (settings, context) =>
      startEngineDaemon<S>(
        {
          daemon: settings.daemon,
          makeEngine: (host) => spec.engine(settings, host),
          openPorts(_host, opened) {
            const sockets = opened.use(DatagramSockets.open(spec.endpoints(settings)));
            sockets.ownSpisChange([], []);
            return { plane: planeWithoutTunnels(sockets), kernel: NO_KERNEL };
          },
        },
        context,
      ),
  });
}
