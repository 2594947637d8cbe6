/** A running account server whose operator changes its configuration and its certificate files. */
import { unlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExitCode } from '#daemon/exit-codes.ts';
import type { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { run } from '#lab/shell.ts';
import {
  ask,
  CERTIFICATE,
  fetchCertificate,
  system,
} from '#test/netns/helpers/ntmobile/account-client.ts';
import {
  CONFIGURATION,
  operate,
  sojourn,
  startAccountServer,
} from '#test/netns/helpers/ntmobile/account-lab.ts';

const FILES = {
  certificateFile: `${LAB_DIRECTORY}/reload.crt`,
  keyFile: `${LAB_DIRECTORY}/reload.key`,
};

let server: DaemonProcess;
beforeAll(async () => {
  server = await startAccountServer();
});
afterAll(async () => {
  await server?.stop();
});

async function makeCertificate(): Promise<void> {
  await run([
    ...[
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
    ],
    ...['-subj', '/CN=as.example', '-addext', 'subjectAltName=IP:::1'],
    ...['-keyout', FILES.keyFile, '-out', FILES.certificateFile],
  ]);
}

async function fingerprintOf(file: string): Promise<string> {
  return await run(['openssl', 'x509', '-in', file, '-noout', '-fingerprint', '-sha256']);
}

async function shown(): Promise<string> {
  await fetchCertificate();
  return await fingerprintOf(CERTIFICATE);
}

describe('a reload of the account server', () => {
  it('changes the parameters of nodes from the reload on', async () => {
    const directionCoordinators = [
      { ...CONFIGURATION.directionCoordinators[0], endpoints: ['192.0.2.7'] },
    ];
    server.configure({
      ...CONFIGURATION,
      directionCoordinators,
      credentialSeconds: 7200,
      port: 4502,
    });
    expect(await operate(['reload'])).toMatchObject({
      applied: [
        {
          setting: 'directionCoordinators[0].endpoints',
          ...{ old: ['192.0.2.1', '[2001:db8::1]:7891'], new: ['192.0.2.7'] },
        },
        { setting: 'credentialSeconds', old: 86_400, new: 7200 },
      ],
      needsRestart: [{ setting: 'port', old: 4501, new: 4502 }],
    });
    expect(await system()).toMatchObject({
      ...{
        credentialSeconds: 7200,
        directionCoordinators: [{ name: 'dc.example', endpoints: ['192.0.2.7:7890'] }],
      },
    });
  });

  it('presents the new certificate when its files have changed', async () => {
    await makeCertificate();
    server.configure({ ...CONFIGURATION, certificate: FILES });
    expect((await sojourn(['reload'])).code).toBe(ExitCode.ok);
    const first = await shown();
    expect(first).toBe(await fingerprintOf(FILES.certificateFile));
    await makeCertificate();
    expect(await operate(['reload'])).toEqual({
      applied: [FILES.certificateFile, FILES.keyFile].map((file, at) => ({
        setting: `certificate.${at === 0 ? 'certificateFile' : 'keyFile'}`,
        ...{ old: file, new: `${file} (content changed)` },
      })),
      needsRestart: [],
    });
    expect(await shown()).toBe(await fingerprintOf(FILES.certificateFile));
    expect(await shown()).not.toBe(first);
  });

  it('keeps the present certificate when the files are wrong', async () => {
    const before = await shown();
    writeFileSync(FILES.keyFile, 'no key');
    const { code, stdout } = await sojourn(['reload']);
    expect([code, JSON.parse(stdout)]).toMatchObject([
      ExitCode.configuration,
      { faults: [{ path: 'certificate.certificateFile' }] },
    ]);
    unlinkSync(FILES.keyFile);
    expect((await sojourn(['reload'])).code).toBe(ExitCode.configuration);
    expect(await shown()).toBe(before);
    expect((await ask('/v1/system')).status).toBe(200);
  });
});
