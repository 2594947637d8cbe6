/**
 * Inputs that the driver gives to an engine.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { EspSequences } from './esp.ts';
import type { Carrier } from './outer-path.ts';
import type { PacketPath } from './packet-path.ts';

/**
 * What protected a control packet on its way. `esp`: ESP in transport mode, with the association of
 * the packet's home address.
 */
export type ControlProtection = 'esp';

/** Inputs of every role. */
export type CommonInput =
  /** A control packet and the path on which it arrived. Data packets never reach an engine. */
  | {
      readonly kind: 'datagram';
      readonly path: PacketPath;
      readonly packet: Uint8Array;
      /** What protected the packet, which is without it here; absent: nothing. */
      readonly protection?: ControlProtection;
    }
  /** The deadline passed. */
  | { readonly kind: 'tick' }
  /**
   * `wallMs - monotonicMs`. The first input of all, and repeated when the wall clock jumps by more
   * than 100 ms.
   */
  | { readonly kind: 'clock'; readonly offsetMs: number }
  /**
   * One record of the store, before the first datagram. `value` was passed to `persist` by an
   * earlier run; the engine checks it like any input.
   */
  | {
      readonly kind: 'record';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue;
    }
  /** The store has no more records. */
  | { readonly kind: 'restored' }
  /** An operator's command; the engine answers with exactly one `reply` of the same `id`. */
  | {
      readonly kind: 'request';
      readonly id: number;
      readonly command: string;
      readonly parameters: JsonObject;
    }
  /**
   * The daemon stops. An engine sends the messages that its protocol requires at the end; it does
   * not de-register, because only an operator ends a registration.
   */
  | { readonly kind: 'stop' };

/** The host's interfaces, addresses and routers: always the whole snapshot, never a difference. */
export type NetworkInput = {
  readonly kind: 'network';
  readonly interfaces: readonly NetworkInterface[];
};

/**
 * Inner packets of each tunnel since the previous input of this kind, so that an engine sees which
 * direction has stopped. The driver gives one as soon as an idle plane carries a packet, then every
 * 250 ms or `DriverOptions.trafficIntervalMs`, zeros included, and after 3 s without any packet no
 * more until the next packet. Control packets do not count. Only roles that ask for it get it
 * (`DriverOptions.traffic`).
 */
export type TrafficInput = {
  readonly kind: 'traffic';
  readonly tunnels: readonly {
    /** The id of a `DesiredTunnel`. */
    readonly tunnel: number;
    /** Sent, or refused by the kernel: packets that the host wanted to go through the tunnel. */
    readonly transmitted: number;
    readonly received: number;
  }[];
  /** Of tunnels in ESP, if a daemon has such (`DriverOptions.espSequences`). */
  readonly esp?: readonly EspSequences[];
};

/**
 * A packet came through a tunnel's encapsulation from an endpoint that has no tunnel for its inner
 * source. Nothing about it is authenticated, not even that it came from there. The plane limits the
 * rate for each source network and in total, so that an answer of the size of a Binding Error is
 * never larger than what the endpoint sent. Only planes that ask for it give it
 * (`PlaneOptions.noticeUnknownEndpoints`).
 */
export type UnknownEndpointInput = {
  readonly kind: 'unknown-endpoint';
  readonly carrier: Carrier;
  /** This host's address that the packet was sent to. */
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly innerSource: IpAddress;
};

/** The answer to a `resolve` output. After a failure, `addresses` is empty. */
export type ResolvedInput = {
  readonly kind: 'resolved';
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  readonly failure?: string;
  /** With `failure`: a server said that the name, or an address of it, does not exist. */
  readonly noSuchName?: boolean;
  /** How long the answer may be cached; absent after a failure, and if `name` is an address. */
  readonly timeToLiveSeconds?: number;
};
