/** An account server: its store, keys, certificate, HTTPS server and operator commands. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { formatPrefix, type IpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';
import type { Identity, ServiceSettings } from '#daemon/daemon-settings.ts';
import type { DaemonContext, RunningDaemon } from '#daemon/daemon-spec.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';
import { AccountDatabase } from './account-database.ts';
import { Administration } from './administration.ts';
import { Authorities, type KeyFiles } from './authorities.ts';
import { type Certificate, ownCertificate, readCertificate } from './certificate.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import { AccountHttpsServer } from './https.ts';
import { AccountService, type ServiceClock } from './service.ts';

export interface AccountServerSettings {
  readonly daemon: ServiceSettings;
  readonly server: AccountServerConfiguration;
  readonly address: IpAddress;
  readonly port: number;
  readonly certificate: CertificateSource;
}

/** The operator's files, or the names in a certificate that the daemon makes for itself. */
export type CertificateSource =
  | { readonly certificateFile: string; readonly keyFile: string }
  | { readonly names: readonly string[] };

interface AccountServerHost {
  readonly clock: ServiceClock;
  /** The 32 octets of a file, which is made if it does not exist. */
  loadOrCreateSecret(file: string): Uint8Array;
  /** In memory. */
  readonly scratchDirectory: string;
}

type LoadSecret = AccountServerHost['loadOrCreateSecret'];

const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

/** The authority's public key, which direction coordinators and relays are configured with. */
export function authorityPublicKey({ stateDirectory, name }: Identity, load: LoadSecret): string {
  const secret = load(join(stateDirectory, `${name}.authority.key`));
  return base64(signingKeyOf(secret).publicKey);
}

/** Listens when the promise resolves. A failed start closes everything that was opened. */
export async function startAccountServer(
  settings: AccountServerSettings,
  context: DaemonContext,
  host: AccountServerHost,
): Promise<RunningDaemon<AccountServerSettings>> {
  await using opened = new AsyncDisposableStack();
  const server = await AccountServer.open(settings, context, host, opened);
  await server.listen();
  const resources = opened.move();
  return {
    reconfigure: (fresh) => server.reconfigure(fresh),
    async stop() {
      try {
        await resources.disposeAsync();
        return [];
      } catch (failure) {
        return [failure];
      }
    },
  };
}

interface Parts {
  readonly database: AccountDatabase;
  readonly certificates: Certificates;
  readonly certificate: Certificate;
  readonly exchangeKey: Uint8Array;
  readonly service: AccountService;
  readonly https: AccountHttpsServer;
  readonly administration: Administration;
}

class AccountServer {
  readonly #parts: Parts;
  readonly #context: DaemonContext;
  #settings: AccountServerSettings;
  #certificate: Certificate;

  private constructor(settings: AccountServerSettings, context: DaemonContext, parts: Parts) {
    this.#settings = settings;
    this.#context = context;
    this.#parts = parts;
    this.#certificate = parts.certificate;
    parts.administration.serve(context.control, {
      status: () => this.#status(),
      fingerprint: () => describeCertificate(this.#certificate),
      'certificate-reload': async () => {
        await this.#useCertificateOf(this.#settings);
        return describeCertificate(this.#certificate);
      },
    });
  }

  static async open(
    settings: AccountServerSettings,
    context: DaemonContext,
    host: AccountServerHost,
    opened: AsyncDisposableStack,
  ): Promise<AccountServer> {
    const { daemon, server: configuration } = settings;
    const { clock, loadOrCreateSecret } = host;
    const stateFile = (name: string): string =>
      join(daemon.stateDirectory, `${daemon.name}${name}`);
    const { events } = context;
    const database = new AccountDatabase(stateFile('.sqlite'), {
      scratch: host.scratchDirectory,
      changed: (fault) => reportStore(events, clock.wall(), fault),
    });
    opened.adopt(database, (it) => it.close());
    const files = keyFiles(stateFile, loadOrCreateSecret);
    const exchange = keyPairOf(files.open('exchange'));
    const authorities = new Authorities(database, files, Math.floor(clock.wall() / 1000));
    const certificates = new Certificates(stateFile('.tls.pem'), clock);
    const certificate = await certificates.read(settings);
    const common = { configuration, authorities, clock };
    const service = new AccountService({ ...common, database, exchange, events });
    const https = new AccountHttpsServer({
      ...{ ...common, service, certificate, publicKey: exchange.publicKey },
      fatal: (error) => context.fatal(error),
    });
    opened.adopt(https, (it) => it.close());
    const administration = new Administration({ ...common, database, service, events });
    const exchangeKey = exchange.publicKey;
    const parts = {
      ...{ certificates, certificate, exchangeKey, service, https, administration, database },
    };
    return new AccountServer(settings, context, parts);
  }

  async listen(): Promise<void> {
    const { address, port } = this.#settings;
    await this.#parts.https.listen(address, port);
    const certificate = describeCertificate(this.#certificate);
    this.#context.log.info('listening', { address, port, certificate });
  }

  async reconfigure(fresh: AccountServerSettings): Promise<void> {
    // First, because only this can fail: the server takes all of the settings or none.
    await this.#useCertificateOf(fresh);
    this.#settings = fresh;
    this.#parts.service.reconfigure(fresh.server);
    this.#parts.https.reconfigure(fresh.server);
  }

  async #useCertificateOf(settings: AccountServerSettings): Promise<void> {
    const certificate = await this.#parts.certificates.read(settings);
    this.#parts.https.useCertificate(certificate);
    this.#certificate = certificate;
    this.#context.log.info('certificate-read', describeCertificate(certificate));
  }

  #status(): JsonObject {
    const { address, port, server } = this.#settings;
    const { exchangeKey, administration, database } = this.#parts;
    return {
      ...{ role: 'account-server', address, port, zone: server.zone },
      systemPrefix: formatPrefix(server.systemPrefix),
      publicKey: base64(exchangeKey),
      certificate: describeCertificate(this.#certificate),
      ...administration.summary(),
      ...(database.fault === undefined ? {} : { storeFault: database.fault }),
    };
  }
}

/** Reads the operator's certificate, or makes one and keeps it in `ownFile`. */
class Certificates {
  readonly #ownFile: string;
  readonly #clock: ServiceClock;

  constructor(ownFile: string, clock: ServiceClock) {
    this.#ownFile = ownFile;
    this.#clock = clock;
  }

  async read({ certificate }: AccountServerSettings): Promise<Certificate> {
    if (!('names' in certificate))
      return readCertificate(certificate.certificateFile, certificate.keyFile);
    return await ownCertificate(this.#ownFile, certificate.names, this.#clock.wall());
  }
}

function describeCertificate(certificate: Certificate): JsonObject {
  const { fingerprint, selfSigned, subject, notAfterWallMs } = certificate;
  return { fingerprint, selfSigned, subject, notAfter: new Date(notAfterWallMs).toISOString() };
}

function reportStore(events: EventSink, atWallMs: number, fault: string | undefined): void {
  const event: EngineEvent =
    fault === undefined
      ? { name: 'store-recovered', level: 'info', fields: {} }
      : { name: 'store-write-failed', level: 'warn', fields: { error: fault, waiting: 0 } };
  events.event(event, atWallMs);
}

function keyFiles(stateFile: (name: string) => string, load: LoadSecret): KeyFiles {
  const file = (name: string): string => stateFile(`.${name}.key`);
  return {
    exists: (name) => existsSync(file(name)),
    open: (name) => load(file(name)),
    promote: () => renameSync(file('authority-next'), file('authority')),
  };
}
