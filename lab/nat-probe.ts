import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

/**
 * A small prober in the manner of STUN's behaviour discovery (RFC 5780 §4), for the definitions of
 * RFC 4787 §4.1 and §5.
 *
 *     node lab/nat-probe.ts serve ADDRESS ADDRESS PORT PORT       the four endpoints that answer;
 *     prints "ready"
 *     node lab/nat-probe.ts classify ADDRESS ADDRESS PORT PORT [--port LOCAL]   prints one JSON
 *     object, a {@link NatBehaviour}
 *
 * A request names the endpoints that answer it, in order, the endpoint that received it last. The
 * path preserves order. An answer that is missing when the last one has arrived was therefore
 * filtered; no timeout is needed.
 */

export const Dependence = {
  endpointIndependent: 'endpoint-independent',
  addressDependent: 'address-dependent',
  addressAndPortDependent: 'address-and-port-dependent',
} as const;
export type Dependence = (typeof Dependence)[keyof typeof Dependence];

export interface NatBehaviour {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  readonly localPort: number;
  /** `address:port` of the prober as seen by the first endpoint. */
  readonly external: string;
  readonly portPreserved: boolean;
}

/**
 * Index into the four endpoints: address 0 port 0, address 0 port 1, address 1 port 0, address 1
 * port 1.
 */
type Endpoint = 0 | 1 | 2 | 3;
interface SocketAddress {
  readonly address: string;
  readonly port: number;
}
type ProbeAddresses = readonly [SocketAddress, SocketAddress, SocketAddress, SocketAddress];

/** A request is `ID answering,answering,…`; an answer is `ID endpoint external`. */
const QUESTION = /^(\d+) ([0-3](?:,[0-3])*)$/;
const ANSWER = /^(\d+) ([0-3]) (\S+)$/;

function addressesOf(args: readonly string[]): ProbeAddresses {
  const [first = '', second = '', low = '', high = ''] = args;
  const at = (address: string, port: string): SocketAddress => ({ address, port: Number(port) });
  return [at(first, low), at(first, high), at(second, low), at(second, high)];
}

async function serve(endpoints: ProbeAddresses): Promise<void> {
  const sockets: Socket[] = [];
  for (const { address, port } of endpoints) {
    const socket = createSocket('udp4');
    socket.on('message', (message, from) => void answer(sockets, message, from));
    socket.bind(port, address);
    await once(socket, 'listening');
    sockets.push(socket);
  }
  console.log('ready');
}

/** Sends the answers one after the other, so that they leave in the requested order. */
async function answer(
  sockets: readonly Socket[],
  message: Buffer,
  from: RemoteInfo,
): Promise<void> {
  const match = QUESTION.exec(message.toString('latin1'));
  for (const endpoint of match?.[2]?.split(',') ?? []) {
    const text = `${match?.[1]} ${endpoint} ${from.address}:${from.port}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    sockets[Number(endpoint)]?.send(text, from.port, from.address, () => resolve());
    await promise;
  }
}

class Prober {
  readonly #socket = createSocket('udp4');
  readonly #endpoints: ProbeAddresses;
  readonly #answers: {
    readonly id: number;
    readonly endpoint: number;
    readonly external: string;
  }[] = [];
  #lastId = 0;

  constructor(endpoints: ProbeAddresses) {
    this.#endpoints = endpoints;
    this.#socket.on('message', (message) => {
      const match = ANSWER.exec(message.toString('latin1'));
      if (match === null) return;
      this.#answers.push({
        id: Number(match[1]),
        endpoint: Number(match[2]),
        external: match[3] ?? '',
      });
      this.#socket.emit('answer');
    });
  }

  async open(port: number): Promise<number> {
    this.#socket.bind(port);
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  /**
   * Sends a request to `asked`, which `others` answer first and `asked` last. Returns the endpoints
   * that answered and the prober's address as `asked` sees it. Repeats the request up to five times
   * until `asked` answers.
   */
  async ask(
    asked: Endpoint,
    others: readonly Endpoint[],
  ): Promise<{ readonly from: ReadonlySet<number>; readonly external: string }> {
    const { address, port } = this.#endpoints[asked];
    for (let attempt = 0; attempt < 5; attempt += 1) {
      this.#lastId += 1;
      const id = this.#lastId;
      this.#socket.send(`${id} ${[...others, asked].join(',')}`, port, address);
      const external = await this.#answerOf(id, asked);
      if (external === undefined) continue;
      return {
        from: new Set(this.#answers.filter((each) => each.id === id).map((each) => each.endpoint)),
        external,
      };
    }
    throw new Error(`no answer from ${address}:${port}`);
  }

  async #answerOf(id: number, endpoint: Endpoint): Promise<string | undefined> {
    const signal = AbortSignal.timeout(1_000);
    for (;;) {
      const found = this.#answers.find((each) => each.id === id && each.endpoint === endpoint);
      if (found !== undefined) return found.external;
      const more = await once(this.#socket, 'answer', { signal }).then(
        () => true,
        () => false,
      );
      if (!more) return undefined;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/**
 * Tests filtering first: it is visible only before the prober has sent to the other endpoints (RFC
 * 5780 §4.4).
 */
async function classify(endpoints: ProbeAddresses, port: number): Promise<NatBehaviour> {
  const prober = new Prober(endpoints);
  const localPort = await prober.open(port);
  const first = await prober.ask(0, [3, 1]);
  const filtering = first.from.has(3)
    ? Dependence.endpointIndependent
    : first.from.has(1)
      ? Dependence.addressDependent
      : Dependence.addressAndPortDependent;
  const otherPort = await prober.ask(1, []);
  const otherAddress = await prober.ask(2, []);
  const sameForPort = otherPort.external === first.external;
  const sameForAddress = otherAddress.external === first.external;
  const mapping =
    sameForPort && sameForAddress
      ? Dependence.endpointIndependent
      : sameForPort
        ? Dependence.addressDependent
        : Dependence.addressAndPortDependent;
  prober.close();
  const portPreserved = first.external.endsWith(`:${localPort}`);
  return { mapping, filtering, localPort, external: first.external, portPreserved };
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string', default: '0' } },
  });
  const [command, ...args] = positionals;
  if (args.length !== 4)
    throw new Error('usage: nat-probe.ts serve|classify ADDRESS ADDRESS PORT PORT [--port LOCAL]');
  if (command === 'serve') await serve(addressesOf(args));
  else console.log(JSON.stringify(await classify(addressesOf(args), Number(values.port))));
}

if (import.meta.main) await main();
