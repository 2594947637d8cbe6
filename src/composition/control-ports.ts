/**
 * The driver's ports for a daemon that exchanges control datagrams and forwards no packets: it has
 * neither tunnels nor kernel state.
 *
 * An engine that desires either has a bug, which ends the daemon.
 */
import type { DatagramSockets } from '#host/datagram-sockets.ts';
import type { KernelPort, PlanePort } from '#runtime/ports.ts';

const EHOSTUNREACH = 113;

function noTunnels(): never {
  throw new Error('the engine desires tunnels, which this daemon does not have');
}

function noKernel(): never {
  throw new Error('the engine desires kernel state, which this daemon does not have');
}

export function planeWithoutTunnels(sockets: DatagramSockets): PlanePort {
  return {
    features: {
      ...{ virtioHeader: false, tunSegmentation: false, tunUdpSegmentation: false },
      ...{ udpSegmentation: false, udpReceiveOffload: false },
    },
    deviceIndex: 0,
    ...{
      reopenDevice: noTunnels,
      renewUdpPort: noTunnels,
      tunnelSet: noTunnels,
      tunnelDelete: noTunnels,
      routeSet: noTunnels,
      routeDelete: noTunnels,
    },
    ...{ sealingKeysSet: noTunnels, sealingKeysDelete: noTunnels, setLocalAddresses: noTunnels },
    ...{
      espKeysSet: noTunnels,
      espKeysDelete: noTunnels,
      espSpiSet: noTunnels,
      espSpiDelete: noTunnels,
      relayLegSet: noTunnels,
      relayLegDelete: noTunnels,
      overlaySet: noTunnels,
      overlayDelete: noTunnels,
      registrationKeysSet: noTunnels,
    },
    ...{ translationSet: noTunnels, translationDelete: noTunnels },
    inject: (path, packet) =>
      path.kind === 'datagram' && sockets.send(path, packet) ? 0 : EHOSTUNREACH,
    handshakeCheckSet: (check) => sockets.handshakeCheckSet(check),
    ownSpisChange: (added, removed) => sockets.ownSpisChange(added, removed),
    counters: () => sockets.counters(),
    tunnelCounters: () => undefined,
    relayLegCounters: () => undefined,
    onPunt: (handler) => sockets.onPunt(handler),
    tunnelTraffic: () => [],
    espSequences: () => [],
    armTrafficNotice: () => {},
    onRoaming: () => {},
    onTraffic: () => {},
    onUnknownEndpoint: () => {},
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
  repairDevice: () => undefined,
  sweep: () => {},
  onNetwork: () => {},
  onDisturbed: () => {},
  close: () => {},
};
