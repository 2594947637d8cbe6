/** The native data plane behind its port; native/src/plane/plane.h says what each call does. */
import { extend } from '#base/extend.ts';
import type {
  PlaneOptions,
  PlanePort,
  Punt,
  RoamingNotice,
  UnknownEndpointNotice,
} from '#runtime/ports.ts';
import { nativeAddon } from './addon.ts';

/**
 * Creates the TUN device and the sockets, and starts the packet threads. Throws an `Error` with an
 * errno's name as `code` and the remedy in its message: ENOENT (no /dev/net/tun), EPERM (no
 * CAP_NET_ADMIN), EADDRINUSE (a UDP port), EBUSY (the device), ENODEV (a link device), EADDON (the
 * addon is not built).
 */
export function openPlane(options: PlaneOptions): PlanePort {
  const handlers = new Handlers();
  let listening = false;
  let scheduled = false;
  const native = new (nativeAddon().Plane)(options, {
    waiting: () => {
      if (listening) takePunts();
    },
    punted: (punt) => handlers.punted(punt),
    roaming: (notice) => handlers.roamed(notice),
    traffic: () => handlers.carried(),
    unknown: (notice) => handlers.foundUnknown(notice),
  });
  /** The event loop runs between two batches: a flood delays neither timers nor the operator. */
  function takePunts(): void {
    scheduled = false;
    if (native.takePunts(BATCH_PUNTS)) takeSoon();
  }
  function takeSoon(): void {
    if (!scheduled) setImmediate(takePunts);
    scheduled = true;
  }
  /** What arrived before there was a handler waits in the plane, whose queue is bounded. */
  const listen = (set: () => void): void => {
    set();
    listening = true;
    takeSoon();
  };
  // The native object has the port's other methods, so that a new one needs nothing here.
  return extend(native, {
    features: native.features(),
    deviceIndex: native.deviceIndex(),
    onPunt: (handler: (punt: Punt) => void) => listen(() => handlers.setPunt(handler)),
    onRoaming: (handler: (notice: RoamingNotice) => void) =>
      listen(() => handlers.setRoaming(handler)),
    onTraffic: (handler: () => void) => listen(() => handlers.setTraffic(handler)),
    onUnknownEndpoint: (handler: (notice: UnknownEndpointNotice) => void) =>
      listen(() => handlers.setUnknown(handler)),
  });
}

/** Punts that the driver gets at once, which is a few milliseconds of its time. */
export const BATCH_PUNTS = 128;

class Handlers {
  #punt: ((punt: Punt) => void) | undefined;
  #roaming: ((notice: RoamingNotice) => void) | undefined;
  #traffic: (() => void) | undefined;
  #unknown: ((notice: UnknownEndpointNotice) => void) | undefined;

  punted(punt: Punt): void {
    this.#punt?.(punt);
  }

  setPunt(handler: (punt: Punt) => void): void {
    this.#punt = handler;
  }

  /** Before there is a handler, no tunnel exists that could roam; and the plane repeats notices. */
  roamed(notice: RoamingNotice): void {
    this.#roaming?.(notice);
  }

  setRoaming(handler: (notice: RoamingNotice) => void): void {
    this.#roaming = handler;
  }

  carried(): void {
    this.#traffic?.();
  }

  setTraffic(handler: () => void): void {
    this.#traffic = handler;
  }

  foundUnknown(notice: UnknownEndpointNotice): void {
    this.#unknown?.(notice);
  }

  setUnknown(handler: (notice: UnknownEndpointNotice) => void): void {
    this.#unknown = handler;
  }
}
