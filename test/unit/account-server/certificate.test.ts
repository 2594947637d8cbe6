/** The TLS certificate: self-signed, or the operator's. */
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ownCertificate, readCertificate } from '#account-server/certificate.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-accounts-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('ownCertificate and readCertificate', () => {
  const NOW_MS = Date.now();

  it('create a self-signed certificate once, in a file that only its owner can read', async () => {
    const file = join(directory, 'own.pem');
    const made = await ownCertificate(file, ['as.example', '2001:db8::1'], NOW_MS);
    const certificate = new X509Certificate(made.cert);
    expect(certificate.subjectAltName).toBe('DNS:as.example, IP Address:2001:DB8:0:0:0:0:0:1');
    expect([certificate.verify(certificate.publicKey), made.selfSigned]).toEqual([true, true]);
    expect(made.notAfterWallMs).toBeGreaterThan(NOW_MS + 10 * 365 * 86_400_000);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await ownCertificate(file, ['other.example'], NOW_MS)).fingerprint).toBe(
      made.fingerprint,
    );
  });

  it('name the file that is invalid or that others can read', async () => {
    const file = join(directory, 'open.pem');
    await ownCertificate(file, ['as.example'], NOW_MS);
    chmodSync(file, 0o644);
    await expect(ownCertificate(file, ['as.example'], NOW_MS)).rejects.toThrow(`chmod 600 ${file}`);
    writeFileSync(join(directory, 'none.pem'), 'nothing', { mode: 0o600 });
    await expect(ownCertificate(join(directory, 'none.pem'), ['x'], NOW_MS)).rejects.toThrow(
      'none.pem',
    );
  });

  it('accept a certificate of the operator only with its key', async () => {
    const [one, other] = [join(directory, 'one.pem'), join(directory, 'other.pem')];
    const made = await ownCertificate(one, ['as.example'], NOW_MS);
    await ownCertificate(other, ['as.example'], NOW_MS);
    expect(readCertificate(one, one)).toMatchObject({
      fingerprint: made.fingerprint,
      selfSigned: false,
    });
    expect(() => readCertificate(one, other)).toThrow('the key is not that of the certificate');
    expect(() => readCertificate(join(directory, 'absent.pem'), one)).toThrow(
      'absent.pem cannot be read',
    );
    const exposed = join(directory, 'exposed.pem');
    writeFileSync(exposed, readFileSync(one));
    chmodSync(exposed, 0o644);
    expect(() => readCertificate(one, exposed)).toThrow('chmod o=');
  });
});
