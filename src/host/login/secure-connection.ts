/**
 * TLS to a server with several addresses, from the host's own addresses. The first connection on
 * which the server authenticates itself wins.
 *
 * RFC 8446          TLS 1.3, and no other version
 * RFC 8305 §4, §5   families alternate; attempts are staggered
 */
import { isIP, Socket } from 'node:net';
import { connect, getCACertificates, type TLSSocket } from 'node:tls';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { openMarkedSocket } from '#host/marked-socket.ts';

/** How the server is authenticated. */
export type Trust =
  /** SHA-256 fingerprints, `AB:CD:…`: its certificate has one of them. */
  | { readonly fingerprints: readonly string[] }
  /** PEM; undefined means the authorities that this host trusts. */
  | { readonly authorities: string | undefined };

export interface SecureServer {
  /** Name or address; a certificate by an authority has to be for it. */
  readonly host: string;
  readonly port: number;
  readonly trust: Trust;
}

interface ConnectOptions {
  readonly server: SecureServer;
  readonly addresses: readonly IpAddress[];
  /** Source addresses; routing chooses for a family without one. */
  readonly sources: readonly IpAddress[];
  /** Firewall mark; undefined: none. */
  readonly mark?: number | undefined;
  /** Limit for one attempt; default 5000. */
  readonly timeoutMs?: number;
  /** The next attempt starts when there is no connection after this; default 250. */
  readonly staggerMs?: number;
}

/** `certificate`: a host answered that does not authenticate as the server. */
export class ConnectionFailure extends Error {
  override readonly name = 'ConnectionFailure';
  readonly reason: 'unreachable' | 'certificate';

  constructor(reason: 'unreachable' | 'certificate', message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Source addresses for one server address. */
const MOST_SOURCES = 4;
const MAX_ADDRESS_PAIRS = 16;

interface AddressPair {
  readonly remote: IpAddress;
  readonly source: IpAddress | undefined;
}

/** Rejects with `ConnectionFailure` when no attempt succeeded. */
export function connectSecurely(options: ConnectOptions): Promise<TLSSocket> {
  return new HappyEyeballs(options).run();
}

function addressPairs(
  addresses: readonly IpAddress[],
  sources: readonly IpAddress[],
): readonly AddressPair[] {
  const six = addresses.filter(isIpv6);
  const four = addresses.filter((address) => !isIpv6(address));
  const inTurn = addresses.flatMap((_, at) =>
    [six[at], four[at]].filter((address) => address !== undefined),
  );
  const fitting = (remote: IpAddress) =>
    sources.filter((source) => isIpv6(source) === isIpv6(remote));
  const bound = inTurn.flatMap((remote) =>
    fitting(remote)
      .slice(0, MOST_SOURCES)
      .map((source) => ({ remote, source })),
  );
  const free = inTurn
    .filter((remote) => fitting(remote).length === 0)
    .map((remote) => ({ remote, source: undefined }));
  return [...bound, ...free].slice(0, MAX_ADDRESS_PAIRS);
}

class HappyEyeballs {
  readonly #options: ConnectOptions;
  readonly #pairs: readonly AddressPair[];
  readonly #done = Promise.withResolvers<TLSSocket>();
  readonly #open = new Set<TLSSocket>();
  readonly #failures: string[] = [];
  #wrong = false;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#pairs = addressPairs(options.addresses, options.sources);
  }

  async run(): Promise<TLSSocket> {
    this.#try();
    try {
      return await this.#done.promise;
    } finally {
      clearTimeout(this.#timer);
      const losers = [...this.#open];
      // The end of these is no failure that another attempt follows.
      this.#open.clear();
      for (const socket of losers) socket.destroy();
    }
  }

  #try(): void {
    clearTimeout(this.#timer);
    const pair = this.#pairs[this.#next++];
    if (pair === undefined) {
      if (this.#open.size === 0) this.#done.reject(this.#failure());
      return;
    }
    this.#timer = setTimeout(() => this.#try(), this.#options.staggerMs ?? 250);
    const { mark, server } = this.#options;
    let carrier: Socket | undefined;
    try {
      carrier = mark === undefined ? undefined : marked(mark, pair, server.port);
    } catch (thrown) {
      // A marked socket binds in the call, which fails for a tentative source address or one that
      // the host has lost; without a mark, the socket reports the same by an 'error'.
      this.#failures.push(failureText(pair, server.port, messageOf(thrown)));
      this.#try();
      return;
    }
    this.#attempt(pair, carrier);
  }

  #failure(): ConnectionFailure {
    const { host } = this.#options.server;
    const why =
      this.#failures.length === 0 ? 'no address' : [...new Set(this.#failures)].join('; ');
    return new ConnectionFailure(this.#wrong ? 'certificate' : 'unreachable', `${host}: ${why}`);
  }

  #attempt(pair: AddressPair, carrier: Socket | undefined): void {
    const { remote, source } = pair;
    const { server, timeoutMs = 5_000 } = this.#options;
    const { trust, port, host } = server;
    const socket = connect({
      // A certificate for an address is compared with `host`, beside a socket too.
      ...{ host: remote, port, ...(carrier === undefined ? {} : { socket: carrier }) },
      ...{ minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] },
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(source === undefined || carrier !== undefined ? {} : { localAddress: source }),
      // The fingerprints alone decide which certificate is right; TLS proves possession of its
      // key.
      ...('fingerprints' in trust
        ? { rejectUnauthorized: false }
        : { ca: authoritiesOf(trust.authorities) }),
    });
    carrier?.on('error', (error) => socket.destroy(error));
    this.#open.add(socket);
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs);
    const failed = (why: string): void => {
      clearTimeout(timer);
      if (!this.#open.delete(socket)) return;
      socket.destroy();
      this.#failures.push(failureText(pair, port, why));
      this.#try();
    };
    socket.on('error', (error) => {
      const refused = socket.authorizationError;
      if (refused != null) this.#wrong = true;
      failed(refused == null ? error.message : untrusted(String(refused)));
    });
    socket.once('close', () => failed('connection closed'));
    socket.once('secureConnect', () => {
      const wrong = 'fingerprints' in trust ? mismatch(socket, trust.fingerprints) : undefined;
      if (wrong !== undefined) {
        this.#wrong = true;
        failed(wrong);
        return;
      }
      clearTimeout(timer);
      this.#open.delete(socket);
      this.#done.resolve(socket);
    });
  }
}

function failureText({ remote }: AddressPair, port: number, why: string): string {
  return `${remote} port ${port}: ${why}`;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A TCP connection with the mark, which is still to be made. Throws the host's error. */
function marked(mark: number, { remote, source }: AddressPair, port: number): Socket {
  const carrier = new Socket({ fd: openMarkedSocket({ type: 'tcp', remote, source, mark }) });
  return carrier.connect({ host: remote, port });
}

let systemAuthorities: readonly string[] | undefined;

/** The host's authorities, read once; Node's own if the host has none. */
function authoritiesOf(pem: string | undefined): string[] {
  if (pem !== undefined) return [pem];
  if (systemAuthorities === undefined) {
    const system = getCACertificates('system');
    systemAuthorities = system.length > 0 ? system : getCACertificates('default');
  }
  return [...systemAuthorities];
}

function mismatch(socket: TLSSocket, expected: readonly string[]): string | undefined {
  const { fingerprint256 } = socket.getPeerCertificate();
  if (expected.includes(fingerprint256)) return undefined;
  return (
    `its certificate has the fingerprint ${fingerprint256}, not the configured one ` +
    '("sojourn as fingerprint" on the account server shows the right one)'
  );
}

function untrusted(code: string): string {
  return (
    `its certificate is not trusted (${code}): configure its fingerprint ` +
    '("sojourn as fingerprint" on the account server shows it) ' +
    "or its authority's certificate"
  );
}
