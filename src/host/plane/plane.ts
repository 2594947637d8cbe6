/** The native data plane behind its port; native/src/plane/plane.h says what each call does. */
import type { IpAddress } from '#base/ip.ts';
import type {
  PlaneFeatures,
  PlaneOptions,
  PlanePort,
  Punt,
  RoamingNotice,
} from '#runtime/ports.ts';
import { type NativePlane, nativeAddon } from './addon.ts';

/**
 * Creates the TUN device and the sockets, and starts the packet threads. Throws an `Error` with an
 * errno's name as `code` and the remedy in its message: ENOENT (no /dev/net/tun), EPERM (no
 * CAP_NET_ADMIN), EADDRINUSE (a UDP port), EBUSY (the device), ENODEV (a link device), EADDON (the
 * addon is not built).
 */
export function openPlane(options: PlaneOptions): PlanePort {
  return new AddonPlane(options);
}

class AddonPlane implements PlanePort {
  readonly features: PlaneFeatures;
  readonly deviceIndex: number;
  readonly #native: NativePlane;
  #handler: ((punt: Punt) => void) | undefined;
  #roaming: ((notice: RoamingNotice) => void) | undefined;
  /** Punts that arrived before `onPunt`. */
  readonly #early: Punt[] = [];

  constructor(options: PlaneOptions) {
    this.#native = new (nativeAddon().Plane)(
      options,
      (punt) => this.#punted(punt),
      // Before `onRoaming`, no tunnel exists that could roam; and the plane repeats the notice.
      (notice) => this.#roaming?.(notice),
    );
    this.features = this.#native.features();
    this.deviceIndex = this.#native.deviceIndex();
  }

  tunnelSet(tunnel: Parameters<PlanePort['tunnelSet']>[0]): void {
    this.#native.tunnelSet(tunnel);
  }

  tunnelDelete(id: number): void {
    this.#native.tunnelDelete(id);
  }

  routeSet(route: Parameters<PlanePort['routeSet']>[0]): void {
    this.#native.routeSet(route);
  }

  routeDelete(route: Parameters<PlanePort['routeDelete']>[0]): void {
    this.#native.routeDelete(route);
  }

  sealingKeysSet(keys: Parameters<PlanePort['sealingKeysSet']>[0]): void {
    this.#native.sealingKeysSet(keys);
  }

  sealingKeysDelete(tunnel: number): void {
    this.#native.sealingKeysDelete(tunnel);
  }

  relayLegSet(leg: Parameters<PlanePort['relayLegSet']>[0]): void {
    this.#native.relayLegSet(leg);
  }

  relayLegDelete(index: Parameters<PlanePort['relayLegDelete']>[0]): void {
    this.#native.relayLegDelete(index);
  }

  translationSet(translation: Parameters<PlanePort['translationSet']>[0]): void {
    this.#native.translationSet(translation);
  }

  translationDelete(translation: Parameters<PlanePort['translationDelete']>[0]): void {
    this.#native.translationDelete(translation);
  }

  overlaySet(overlay: Parameters<PlanePort['overlaySet']>[0]): void {
    this.#native.overlaySet(overlay);
  }

  overlayDelete(overlay: Parameters<PlanePort['overlayDelete']>[0]): void {
    this.#native.overlayDelete(overlay);
  }

  setLocalAddresses(addresses: readonly IpAddress[]): void {
    this.#native.setLocalAddresses(addresses);
  }

  inject(path: Parameters<PlanePort['inject']>[0], packet: Uint8Array): number {
    return this.#native.inject(path, packet);
  }

  counters(): Readonly<Record<string, number>> {
    return this.#native.counters();
  }

  tunnelCounters(id: number): Readonly<Record<string, number>> | undefined {
    return this.#native.tunnelCounters(id);
  }

  relayLegCounters(index: number): Readonly<Record<string, number>> | undefined {
    return this.#native.relayLegCounters(index);
  }

  onPunt(handler: (punt: Punt) => void): void {
    this.#handler = handler;
    for (const punt of this.#early.splice(0)) handler(punt);
  }

  onRoaming(handler: (notice: RoamingNotice) => void): void {
    this.#roaming = handler;
  }

  close(): void {
    this.#native.close();
  }

  #punted(punt: Punt): void {
    if (this.#handler === undefined) this.#early.push(punt);
    else this.#handler(punt);
  }
}
