/**
 * UDP sockets of daemons that carry control datagrams only. There is one for each address and port,
 * so that an answer leaves from the address that received the request.
 *
 * No RFC: docs/reference/ntmobile.md §1 (ports)
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type IpAddress, isIpv6, parseIpAddress } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { Punt } from '#runtime/ports.ts';

const RECEIVE_BUFFER_OCTETS = 4 << 20;

/** An endpoint to listen at. Port 0: a free one. */
export interface ListenAt {
  readonly address: IpAddress;
  readonly port: number;
}

type Counter =
  | 'datagrams-received'
  | 'datagrams-sent'
  | 'drop-source'
  | 'drop-no-socket'
  | 'drop-send-error';

export class DatagramSockets implements Disposable {
  readonly #sockets = new Map<string, Socket>();
  readonly #counters: Record<Counter, number> = {
    ...{
      'datagrams-received': 0,
      'datagrams-sent': 0,
      'drop-source': 0,
      'drop-no-socket': 0,
      'drop-send-error': 0,
    },
  };
  #handler: (punt: Punt) => void = () => {};

  /** Throws the host's error when an address or port is not available. */
  static async open(endpoints: readonly ListenAt[]): Promise<DatagramSockets> {
    using made = new DisposableStack();
    const all = made.use(new DatagramSockets());
    for (const endpoint of endpoints) await all.#listen(endpoint);
    made.move();
    return all;
  }

  /** The bound endpoints, in the order of `open`. */
  get endpoints(): readonly ListenAt[] {
    return [...this.#sockets.values()].map((socket) => {
      const { address, port } = socket.address();
      const parsed = parseIpAddress(address);
      if (parsed === undefined) throw new Error(`a socket at ${address}`);
      return { address: parsed, port };
    });
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  onPunt(handler: (punt: Punt) => void): void {
    this.#handler = handler;
  }

  /** False without a socket to send from. A later failure shows in the counters only. */
  send(
    { local, localPort, remote, remotePort }: Extract<PacketPath, { kind: 'datagram' }>,
    packet: Uint8Array,
  ): boolean {
    const socket = this.#sockets.get(keyOf(local, localPort));
    if (socket === undefined) {
      this.#counters['drop-no-socket'] += 1;
      return false;
    }
    socket.send(packet, remotePort, remote, (error) => {
      this.#counters[error === null ? 'datagrams-sent' : 'drop-send-error'] += 1;
    });
    return true;
  }

  async #listen({ address, port }: ListenAt): Promise<void> {
    const socket = isIpv6(address)
      ? createSocket({ type: 'udp6', ipv6Only: true })
      : createSocket('udp4');
    const failed = once(socket, 'error').then(([error]) => Promise.reject(error));
    socket.bind(port, address);
    await Promise.race([once(socket, 'listening'), failed]);
    failed.catch(() => {});
    socket.on('error', () => {
      this.#counters['drop-send-error'] += 1;
    });
    socket.setRecvBufferSize(RECEIVE_BUFFER_OCTETS);
    const localPort = socket.address().port;
    this.#sockets.set(keyOf(address, localPort), socket);
    socket.on('message', (message, from) => {
      const remote = parseIpAddress(from.address);
      // A link-local peer has a zone in its text here; an answer needs that link.
      if (remote === undefined) {
        this.#counters['drop-source'] += 1;
        return;
      }
      this.#counters['datagrams-received'] += 1;
      const path = {
        kind: 'datagram',
        local: address,
        localPort,
        remote,
        remotePort: from.port,
        relayIndex: 0,
      } as const;
      this.#handler({ path, packet: new Uint8Array(message) });
    });
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

function keyOf(address: IpAddress, port: number): string {
  return `${address} ${port}`;
}
