/** Floods of handshakes at any responder of NTMobile: a coordinator, a relay or a node. */
import { fromHex } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { isJsonObject, parseJson } from '#daemon/control/json-lines.ts';
import { run } from '#lab/shell.ts';
import { type Attack, flood, type Order, type Running, type Sent } from './attack.ts';
import { ATTACKER } from './lab-names.ts';
import { datagram, forgedInitiation, garbage, type Pool, poolOf } from './pools.ts';

export interface Responder extends Running {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly address: Ipv6Address;
  readonly port: number;
  /** Addresses of its honest peers. */
  readonly peers: readonly Ipv6Address[];
}

const POOL = 16_384;
const COOKIE_PROGRAM = new URL('cookie.ts', import.meta.url).pathname;

interface Own {
  readonly sourcePort?: number;
  readonly source?: (index: number) => Ipv6Address;
  readonly payload: (index: number) => Uint8Array;
}

function pool({ address, port }: Responder, { source, sourcePort, payload }: Own): Pool {
  return poolOf(POOL, (index) =>
    datagram(
      {
        source: source?.(index) ?? ipv6(ATTACKER.ipv6),
        sourcePort: sourcePort ?? 1024 + (index % 60_000),
        ...{ destination: address, destinationPort: port },
      },
      payload(index),
    ),
  );
}

async function withoutCookie(to: Responder, order: Order): Promise<Sent> {
  const { publicKey: responderKey, use } = to;
  const payload = (spi: number) => forgedInitiation({ responderKey, use, spi });
  return await flood(pool(to, { payload }), order);
}

/** The honest peers get the cookies, and their own requests come between those of the flood. */
async function withSourcesOfPeers(to: Responder, order: Order): Promise<Sent> {
  const { publicKey: responderKey, use, peers } = to;
  const source = (index: number) => peers[index % peers.length] ?? ipv6(ATTACKER.ipv6);
  const payload = (spi: number) => forgedInitiation({ responderKey, use, spi });
  return await flood(pool(to, { source, payload }), order);
}

async function withCookie(to: Responder, order: Order): Promise<Sent> {
  const { publicKey: responderKey, use, address, port } = to;
  const key = Buffer.from(responderKey).toString('hex');
  const argv = [key, String(use), ATTACKER.ipv6, address, String(port)];
  const printed = parseJson(
    await run([process.execPath, COOKIE_PROGRAM, ...argv], { namespace: ATTACKER.namespace }),
  );
  if (!isJsonObject(printed)) throw new Error('no cookie');
  const cookie = fromHex(String(printed['cookie']));
  const payload = (spi: number) => forgedInitiation({ responderKey, use, spi, cookie });
  return await flood(pool(to, { sourcePort: Number(printed['port']), payload }), order);
}

/** The floods that every responder withstands. */
export const HANDSHAKE_ATTACKS: readonly Attack<Responder>[] = [
  {
    key: 'handshakes',
    title: 'initiations without cookie, one source',
    perSecond: 100_000,
    launch: withoutCookie,
  },
  {
    key: 'handshakes-spoofed',
    title: 'initiations without cookie, with the sources of the honest peers',
    perSecond: 100_000,
    launch: withSourcesOfPeers,
  },
  {
    key: 'handshakes-cookie',
    title: 'initiations with a right cookie, one source',
    perSecond: 20_000,
    launch: withCookie,
  },
  {
    key: 'garbage',
    title: 'random octets to the sealed port',
    perSecond: 100_000,
    launch: (to, order) => flood(pool(to, { payload: garbage }), order),
  },
];
