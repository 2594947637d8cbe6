/**
 * The driver's ports for a daemon that carries control datagrams and no packets: it has no tunnels,
 * and nothing in the kernel is its own.
 *
 * An engine that wishes for either is our defect, and ends the daemon.
 */
import type { DatagramSockets } from '#host/datagram-sockets.ts';
import type { KernelPort, PlanePort } from '#runtime/ports.ts';

const EHOSTUNREACH = 113;

function noTunnels(): never {
  throw new Error('a wish for tunnels, of a daemon that has none');
}

function noKernel(): never {
  throw new Error('a wish for something in the kernel, of a daemon that has nothing there');
}

export function planeWithoutTunnels(sockets: DatagramSockets): PlanePort {
  return {
    features: {
      ...{ virtioHeader: false, tunSegmentation: false, tunUdpSegmentation: false },
      ...{ udpSegmentation: false, udpReceiveOffload: false },
    },
    deviceIndex: 0,
    ...{
      tunnelSet: noTunnels,
      tunnelDelete: noTunnels,
      routeSet: noTunnels,
      routeDelete: noTunnels,
    },
    ...{ sealingKeysSet: noTunnels, sealingKeysDelete: noTunnels, setLocalAddresses: noTunnels },
    ...{
      relayLegSet: noTunnels,
      relayLegDelete: noTunnels,
      overlaySet: noTunnels,
      overlayDelete: noTunnels,
    },
    ...{ translationSet: noTunnels, translationDelete: noTunnels },
    inject: (path, packet) =>
      path.kind === 'datagram' && sockets.send(path, packet) ? 0 : EHOSTUNREACH,
    counters: () => sockets.counters(),
    tunnelCounters: () => undefined,
    relayLegCounters: () => undefined,
    onPunt: (handler) => sockets.onPunt(handler),
    onRoaming: () => {},
    close: () => sockets[Symbol.dispose](),
  };
}

export const NO_KERNEL: KernelPort = {
  ...{ addAddress: noKernel, deleteAddress: noKernel, addRoute: noKernel, deleteRoute: noKernel },
  ...{
    addRule: noKernel,
    deleteRule: noKernel,
    addProxyNeighbour: noKernel,
    deleteProxyNeighbour: noKernel,
  },
  ...{ setSysctl: noKernel, restoreSysctl: noKernel },
  sweep: () => {},
  onNetwork: () => {},
  onDisturbed: () => {},
  close: () => {},
};
