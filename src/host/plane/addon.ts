/** The native addon with its types. `npm run build` compiles it; no registry has a binary of it. */
import { createRequire } from 'node:module';
import type { IpAddress } from '#base/ip.ts';
import type { HandshakeCheck } from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { NetlinkSocket } from '#host/kernel/netlink-requests.ts';
import { SystemError } from '#host/process/system-error.ts';
import type {
  PlaneFeatures,
  PlaneOptions,
  PlanePort,
  Punt,
  RoamingNotice,
  UnknownEndpointNotice,
} from '#runtime/ports.ts';

/**
 * One data plane. It implements every method of the port but the handlers, which the constructor
 * takes. A failure of the host throws with the errno's name as `code`.
 */
interface NativePlane extends Omit<PlanePort, 'features' | 'deviceIndex' | `on${string}`> {
  features(): PlaneFeatures;
  deviceIndex(): number;
  /** Hands that many punts to the handlers, at most. True: there are more. */
  takePunts(limit: number): boolean;
}

/**
 * native/src/control/control-sockets.h. `send` returns 0 or a positive errno; `takePunts` is that
 * of a plane.
 */
interface NativeControlSockets {
  endpoints(): readonly { readonly address: IpAddress; readonly port: number }[];
  takePunts(limit: number): boolean;
  send(path: PacketPath, packet: Uint8Array): number;
  handshakeCheckSet(check: HandshakeCheck): void;
  ownSpisChange(added: readonly number[], removed: readonly number[]): void;
  counters(): Readonly<Record<string, number>>;
  close(): void;
}

/** Datagrams of NTMobile are checked in native code before they are punted. */
export type ControlProtocol = 'ntmobile' | 'other';

interface NativeAddon {
  readonly ControlSockets: new (
    endpoints: readonly { readonly address: IpAddress; readonly port: number }[],
    protocol: ControlProtocol,
    handlers: { readonly waiting: () => void; readonly punted: (punt: Punt) => void },
  ) => NativeControlSockets;
  readonly Plane: new (
    options: PlaneOptions,
    handlers: {
      /** `takePunts` has some. */
      readonly waiting: () => void;
      readonly punted: (punt: Punt) => void;
      readonly roaming: (notice: RoamingNotice) => void;
      readonly traffic: () => void;
      readonly unknown: (notice: UnknownEndpointNotice) => void;
    },
  ) => NativePlane;
  readonly Netlink: new () => NetlinkSocket;
  /** A socket with SO_MARK, bound to the source; the caller owns the descriptor. */
  openMarkedSocket(options: {
    readonly type: 'udp' | 'tcp';
    readonly family: 4 | 6;
    readonly mark: number;
    readonly source?: IpAddress;
  }): number;
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
