/**
 * The account server daemon: puts its store, its keys, its certificate and its face together.
 * Nothing is decided here.
 */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { AccountDatabase } from '#account-server/account-database.ts';
import { Administration } from '#account-server/administration.ts';
import { Authorities, type KeyFiles } from '#account-server/authorities.ts';
import { type Certificate, ownCertificate, readCertificate } from '#account-server/certificate.ts';
import { AccountHttpsServer } from '#account-server/https.ts';
import { AccountService, type ServiceClock } from '#account-server/service.ts';
import { formatPrefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { wall } from '#base/time.ts';
import { loadOrCreateSecret } from '#composition/secret-file.ts';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';
import { loadConfiguration } from '#daemon/configuration/config.ts';
import { type DaemonContext, type RunningDaemon, runDaemon } from '#daemon/lifecycle.ts';
import { createClock } from '#host/process/clock.ts';
import { sendToNotifySocket } from '#host/process/notify-socket.ts';
import { type AccountServerSettings, accountServerSchema } from './config.ts';

const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

function openClock(): ServiceClock {
  const { now } = createClock();
  return { now, wall: () => wall(Date.now()) };
}

function keyFiles(stateFile: (name: string) => string): KeyFiles {
  const file = (name: string): string => stateFile(`.${name}.key`);
  return {
    exists: (name) => existsSync(file(name)),
    open: (name) => loadOrCreateSecret(file(name)),
    promote: () => renameSync(file('authority-next'), file('authority')),
  };
}

async function certificateOf(
  { certificate }: AccountServerSettings,
  ownFile: string,
  nowWallMs: number,
): Promise<Certificate> {
  if ('names' in certificate) return await ownCertificate(ownFile, certificate.names, nowWallMs);
  return readCertificate(certificate.certificateFile, certificate.keyFile);
}

function describe({ fingerprint, selfSigned, subject, notAfterWallMs }: Certificate): JsonObject {
  return { fingerprint, selfSigned, subject, notAfter: new Date(notAfterWallMs).toISOString() };
}

async function start(
  settings: AccountServerSettings,
  house: DaemonContext,
): Promise<RunningDaemon<AccountServerSettings>> {
  const { daemon, server: configuration, address, port } = settings;
  const { events, log, control } = house;
  await using made = new AsyncDisposableStack();
  const stateFile = (name: string): string => join(daemon.stateDirectory, `${daemon.name}${name}`);
  const clock = openClock();
  const database = made.adopt(new AccountDatabase(stateFile('.sqlite')), (it) => it.close());
  const files = keyFiles(stateFile);
  const exchange = keyPairOf(files.open('exchange'));
  const authorities = new Authorities(database, files, Math.floor(clock.wall() / 1000));
  let inForce = settings;
  let certificate = await certificateOf(inForce, stateFile('.tls.pem'), clock.wall());
  const service = new AccountService({
    configuration,
    database,
    authorities,
    exchange,
    clock,
    events,
  });
  const face = made.adopt(
    new AccountHttpsServer({
      ...{ service, authorities, configuration, publicKey: exchange.publicKey, certificate, clock },
      fatal: (error) => house.fatal(error),
    }),
    (it) => it.close(),
  );
  const useCertificateOf = async (fresh: AccountServerSettings): Promise<void> => {
    const read = await certificateOf(fresh, stateFile('.tls.pem'), clock.wall());
    face.useCertificate(read);
    certificate = read;
    log.info('certificate-read', describe(certificate));
  };
  const administration = new Administration({
    configuration,
    database,
    authorities,
    service,
    clock,
    events,
  });
  administration.serve(control, {
    status: () => ({
      ...{ role: 'account-server', address, port, zone: configuration.zone },
      systemPrefix: formatPrefix(configuration.systemPrefix),
      ...{
        publicKey: base64(exchange.publicKey),
        certificate: describe(certificate),
        ...administration.summary(),
      },
    }),
    fingerprint: () => describe(certificate),
    'certificate-reload': async () => {
      await useCertificateOf(inForce);
      return describe(certificate);
    },
  });
  await face.listen(address, port);
  log.info('listening', { address, port, certificate: describe(certificate) });
  const resources = made.move();
  return {
    async reconfigure(fresh) {
      // The one thing that may fail, so that everything or nothing is taken.
      await useCertificateOf(fresh);
      inForce = fresh;
      service.reconfigure(fresh.server);
      face.reconfigure(fresh.server);
    },
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

await runDaemon<AccountServerSettings>(sendToNotifySocket, {
  role: 'as',
  description:
    'Account server of Sojourn (NTMobile): accounts, devices, and the credentials that it signs.',
  permissions:
    'let the user it runs as write its state directory and /run/sojourn, or set other ones',
  load: (file) => loadConfiguration(file, accountServerSchema),
  hasMessages: false,
  warnings: () => [],
  // The authority's: what direction coordinators and relays are told.
  publicKey: ({ stateDirectory, name }) =>
    base64(
      signingKeyOf(loadOrCreateSecret(join(stateDirectory, `${name}.authority.key`))).publicKey,
    ),
  start,
  // It leaves nothing in the kernel.
  cleanup: () => {},
});
