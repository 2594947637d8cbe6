/**
 * UDP sockets whose datagrams the program itself answers. There is one for each address and port,
 * so that an answer leaves from the address that received the request. Native code reads them, and
 * shares what the engine can take between the sources.
 *
 * No RFC: docs/reference/ntmobile.md §1 (ports)
 */
import type { IpAddress } from '#base/ip.ts';
import type { HandshakeCheck } from '#engine/contract/ntmobile.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { Punt } from '#runtime/ports.ts';
import { type ControlProtocol, nativeAddon } from './plane/addon.ts';
import { BATCH_PUNTS } from './plane/plane.ts';

const EADDRNOTAVAIL = 99;

/** An endpoint to listen at. Port 0: a free one. */
export interface ListenAt {
  readonly address: IpAddress;
  readonly port: number;
}

type Native = InstanceType<ReturnType<typeof nativeAddon>['ControlSockets']>;

export class DatagramSockets implements Disposable {
  readonly #native: Native;
  readonly #counters = { 'datagrams-sent': 0, 'drop-no-socket': 0, 'drop-send-error': 0 };
  #handler: (punt: Punt) => void = () => {};

  private constructor(endpoints: readonly ListenAt[], protocol: ControlProtocol) {
    const takePunts = (): void => {
      if (this.#native.takePunts(BATCH_PUNTS)) setImmediate(takePunts);
    };
    this.#native = new (nativeAddon().ControlSockets)(endpoints, protocol, {
      waiting: takePunts,
      punted: (punt) => this.#handler(punt),
    });
  }

  /** Throws the host's error when an address or port is not available. */
  static open(
    endpoints: readonly ListenAt[],
    protocol: ControlProtocol = 'ntmobile',
  ): DatagramSockets {
    return new DatagramSockets(endpoints, protocol);
  }

  /** The bound endpoints, in the order of `open`. */
  get endpoints(): readonly ListenAt[] {
    return this.#native.endpoints();
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#native.counters(), ...this.#counters };
  }

  onPunt(handler: (punt: Punt) => void): void {
    this.#handler = handler;
  }

  handshakeCheckSet(check: HandshakeCheck): void {
    this.#native.handshakeCheckSet(check);
  }

  ownSpisChange(added: readonly number[], removed: readonly number[]): void {
    this.#native.ownSpisChange(added, removed);
  }

  /** False without a socket to send from. A failure to send shows in the counters only. */
  send(path: Extract<PacketPath, { kind: 'datagram' }>, packet: Uint8Array): boolean {
    const errno = this.#native.send(path, packet);
    if (errno === EADDRNOTAVAIL) this.#counters['drop-no-socket'] += 1;
    else this.#counters[errno === 0 ? 'datagrams-sent' : 'drop-send-error'] += 1;
    return errno !== EADDRNOTAVAIL;
  }

  [Symbol.dispose](): void {
    this.#native.close();
  }
}
