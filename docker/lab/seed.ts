/**
 * All secrets of the container lab, derived from one seed: each container computes them itself, so
 * that containers exchange no secrets and start in any order. For the lab only.
 */
import { createHash, createHmac, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import {
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';

const seed = process.env['SOJOURN_LAB_SEED'] ?? "the lab's own";

/** 32 octets. */
export function secret(label: string): Uint8Array {
  return new Uint8Array(createHmac('sha256', seed).update(label).digest());
}

export function hexOf(octets: Uint8Array): string {
  return `hex:${Buffer.from(octets).toString('hex')}`;
}

function base64Of(octets: Uint8Array): string {
  return `base64:${Buffer.from(octets).toString('base64')}`;
}

export function publicKeyOf(label: string): string {
  return base64Of(keyPairOf(secret(label)).publicKey);
}

export function authorityOf(label: string): string {
  return base64Of(signingKeyOf(secret(label)).publicKey);
}

/** Letters and digits only, because passwords are typed. */
export function passwordOf(account: string): string {
  return Buffer.from(secret(`password of ${account}`))
    .toString('hex')
    .slice(0, 24);
}

interface LabCertificate {
  /** Certificate and private key, PEM. */
  readonly pem: string;
  /** SHA-256 of the certificate, as OpenSSL prints it. */
  readonly fingerprint: string;
}

/**
 * Ed25519 signatures are deterministic, so that all containers compute the same certificate.
 */
export async function certificateOf(name: string): Promise<LabCertificate> {
  const head = Buffer.from('302e020100300506032b657004220420', 'hex');
  const pkcs8 = Buffer.concat([head, secret(`certificate of ${name}`)]);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign']);
  const { x = '' } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await webcrypto.subtle.importKey(
    'jwk',
    { kty: 'OKP', crv: 'Ed25519', x },
    'Ed25519',
    true,
    ['verify'],
  );
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: [{ CN: [name] }],
    keys: { privateKey, publicKey },
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2049-01-01T00:00:00Z'),
    signingAlgorithm: { name: 'Ed25519' },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const [begin, end] = ['BEGIN', 'END'].map((word) => `-----${word} PRIVATE KEY-----`);
  const key = `${begin}\n${pkcs8.toString('base64')}\n${end}\n`;
  const digest = createHash('sha256')
    .update(Buffer.from(new X509Certificate(certificate.rawData).rawData))
    .digest('hex');
  const fingerprint = (digest.toUpperCase().match(/../g) ?? []).join(':');
  return { pem: `${key}${certificate.toString('pem')}\n`, fingerprint };
}
