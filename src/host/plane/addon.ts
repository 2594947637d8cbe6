/** The native addon with its types. `npm run build` compiles it; no registry has a binary of it. */
import { createRequire } from 'node:module';
import type { IpAddress } from '#base/ip.ts';
import type { DesiredPlaneRoute, DesiredTunnel } from '#engine/contract/desired-state.ts';
import type {
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
} from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { NetlinkSocket } from '#host/kernel/netlink-requests.ts';
import { SystemError } from '#host/process/system-error.ts';
import type { PlaneFeatures, PlaneOptions, Punt, RoamingNotice } from '#runtime/ports.ts';

/** One data plane. A failure of the host throws with the errno's name as `code`. */
export interface NativePlane {
  features(): PlaneFeatures;
  deviceIndex(): number;
  tunnelSet(tunnel: DesiredTunnel): void;
  tunnelDelete(id: number): void;
  routeSet(route: DesiredPlaneRoute): void;
  routeDelete(route: DesiredPlaneRoute): void;
  sealingKeysSet(keys: DesiredSealingKeys): void;
  sealingKeysDelete(tunnel: number): void;
  relayLegSet(leg: DesiredRelayLeg): void;
  relayLegDelete(index: number): void;
  translationSet(translation: DesiredTranslation): void;
  translationDelete(translation: DesiredTranslation): void;
  overlaySet(overlay: DesiredOverlay): void;
  overlayDelete(overlay: DesiredOverlay): void;
  setLocalAddresses(addresses: readonly IpAddress[]): void;
  inject(path: PacketPath, packet: Uint8Array): number;
  counters(): Record<string, number>;
  tunnelCounters(id: number): Record<string, number> | undefined;
  relayLegCounters(index: number): Record<string, number> | undefined;
  close(): void;
}

interface NativeAddon {
  readonly Plane: new (
    options: PlaneOptions,
    punted: (punt: Punt) => void,
    roaming: (notice: RoamingNotice) => void,
  ) => NativePlane;
  readonly Netlink: new () => NetlinkSocket;
  /** One datagram to a service manager's socket (sd_notify). */
  notify(socket: string, text: string): void;
}

const FILE = '../../../native/build/sojourn.node';

function load(): NativeAddon {
  try {
    // `require` returns `any`. This type alone says what native/src/addon exports.
    return createRequire(import.meta.url)(FILE);
  } catch (cause) {
    throw new SystemError(
      'EADDON',
      'the native addon is missing or does not fit this Node: run `npm run build`',
      cause,
    );
  }
}

let loaded: NativeAddon | undefined;

/** Loads the addon at the first call. Throws `SystemError` with code EADDON. */
export function nativeAddon(): NativeAddon {
  loaded ??= load();
  return loaded;
}
