/**
 * The account server's TLS certificate: the operator's, or a self-signed one that clients pin by
 * its fingerprint (like RFC 7469, but over the whole certificate).
 */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';

const DAY_MS = 86_400_000;
/** Clients pin the certificate, so it must outlive the host. */
const VALIDITY_DAYS = 7300;
const READABLE_BY_OTHERS = 0o077;

/** PEM. `fingerprint` is SHA-256 as OpenSSL prints it: `AB:CD:…`. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly selfSigned: boolean;
  readonly subject: string;
  readonly notAfterWallMs: number;
}

/** A certificate or its key cannot be used; `message` names the file. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  readonly code = 'CERTIFICATE';
}

/** Reads the operator's files. Throws `CertificateError`. */
export function readCertificate(certificateFile: string, keyFile: string): Certificate {
  const cert = read(certificateFile);
  const key = certificateFile === keyFile ? cert : read(keyFile);
  if ((statSync(keyFile).mode & 0o004) !== 0) {
    throw new CertificateError(
      `${keyFile} can be read by every user of this host: chmod o= ${keyFile}`,
    );
  }
  try {
    return described(cert, key, false);
  } catch (thrown) {
    throw new CertificateError(`${certificateFile} and ${keyFile}: ${messageOf(thrown)}`);
  }
}

/**
 * Reads the self-signed certificate in `file`, or creates one for `names`. Throws
 * `CertificateError`.
 */
export async function ownCertificate(
  file: string,
  names: readonly string[],
  nowWallMs: number,
): Promise<Certificate> {
  if (!existsSync(file)) await make(file, names, nowWallMs);
  if ((statSync(file).mode & READABLE_BY_OTHERS) !== 0) {
    throw new CertificateError(`${file} can be read by others: chmod 600 ${file}`);
  }
  const pem = read(file);
  try {
    return described(pem, pem, true);
  } catch (thrown) {
    throw new CertificateError(
      `${file}: ${messageOf(thrown)}; restore it from a backup, or remove it ` +
        '(clients must pin the new one)',
    );
  }
}

function described(cert: string, key: string, selfSigned: boolean): Certificate {
  const certificate = new X509Certificate(cert);
  if (!certificate.checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key is not that of the certificate');
  return {
    ...{
      cert,
      key,
      selfSigned,
      fingerprint: certificate.fingerprint256,
      subject: certificate.subject,
    },
    notAfterWallMs: Date.parse(certificate.validTo),
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new CertificateError(`${file} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

async function make(file: string, names: readonly string[], nowWallMs: number): Promise<void> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [names[0] ?? 'Sojourn account server'] }],
    keys,
    notBefore: new Date(nowWallMs - DAY_MS),
    notAfter: new Date(nowWallMs + VALIDITY_DAYS * DAY_MS),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new SubjectAlternativeNameExtension(
        names.map((value) => ({
          type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
          value,
        })),
      ),
    ],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  });
  writeAtomically(file, `${key}${certificate.toString('pem')}\n`);
}

/** Writes atomically: `file` appears only when it is complete. */
function writeAtomically(file: string, pem: string): void {
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(fresh, pem, { mode: 0o600, flush: true });
  try {
    linkSync(fresh, file);
  } finally {
    rmSync(fresh);
  }
}
