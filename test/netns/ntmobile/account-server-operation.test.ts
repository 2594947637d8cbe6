/**
 * Operation of the account server: restarts, kills, key rotation, certificates, and the content of
 * its files. account-client.ts acts as the nodes.
 */
import { existsSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import type { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, run, waitFor } from '#lab/shell.ts';
import { example } from '#test/netns/helpers/examples.ts';
import {
  type Answered,
  ask,
  CERTIFICATE,
  fetchCertificate,
  login,
  loginBody,
  PASSWORD,
  readCredential,
  remembered,
  renew,
  secrets,
  system,
} from '#test/netns/helpers/ntmobile/account-client.ts';
import {
  CONFIGURATION,
  enrolmentToken,
  expectNoSecrets,
  operate,
  STATE,
  sojourn,
  startAccountServer,
} from '#test/netns/helpers/ntmobile/account-lab.ts';
import { NodeKey } from '#test/unit/account-server/node-key.ts';

const MAIN = new URL('../../../daemons/as/main.ts', import.meta.url).pathname;

let server: DaemonProcess;
beforeAll(async () => {
  server = await startAccountServer();
});
afterAll(async () => {
  await server?.stop();
});

describe('the state of the account server', () => {
  it('grants access to its owner only', () => {
    const files = readdirSync(STATE).filter((name) => name.startsWith('as.'));
    expect(files).toEqual(
      expect.arrayContaining(['as.authority.key', 'as.exchange.key', 'as.sqlite', 'as.tls.pem']),
    );
    expect(files.map((name) => (statSync(`${STATE}/${name}`).mode & 0o777).toString(8))).toEqual(
      files.map(() => '600'),
    );
  });

  it('survives a restart unchanged', async () => {
    const key = new NodeKey();
    const first = await login(key, 'alice', { password: PASSWORD, device: 'patient' });
    const before = [
      await system(),
      await operate(['as', 'device', 'list']),
      await operate(['as', 'fingerprint']),
    ];
    expect(await server.stop()).toBe(0);
    await server.start();
    const after = [
      await system(),
      await operate(['as', 'device', 'list']),
      await operate(['as', 'fingerprint']),
    ];
    expect(after).toEqual(
      before.map((value) =>
        isJsonObject(value) && 'time' in value ? { ...value, time: expect.any(Number) } : value,
      ),
    );
    const second = await renew(key, first);
    expect((await readCredential(second)).virtualIpv4).toBe(
      (await readCredential(first)).virtualIpv4,
    );
  });

  it('keeps every account and every answered login when killed during logins', async () => {
    const enrolments = [];
    for (let count = 0; count < 12; count++) {
      const name = `van${count}`;
      await operate(['as', 'account', 'add', name, '--no-password']);
      enrolments.push({ name, key: new NodeKey(), token: await enrolmentToken(name) });
    }
    const bodies = await Promise.all(
      enrolments.map(({ name, key, token }) => loginBody(key, name, { enrolmentToken: token })),
    );
    const answers: (Answered | undefined)[] = enrolments.map(() => undefined);
    const all = bodies.map(async (body, at) => {
      answers[at] = await ask('/v1/login', body).then(remembered, () => undefined);
    });
    await waitFor(() => answers.some((one) => one !== undefined), {
      timeoutMs: 20_000,
      what: 'a first answer',
      intervalMs: 1,
    });
    await server.kill();
    await Promise.all(all);
    await server.start();
    for (const [at, { name, key, token }] of enrolments.entries()) {
      const answered = answers[at];
      const next =
        answered === undefined
          ? await login(key, name, { enrolmentToken: token })
          : await renew(key, answered);
      expect([name, next.status]).toEqual([name, 200]);
    }
    const devices = await operate(['as', 'device', 'list']);
    const addresses = Array.isArray(devices)
      ? devices.map((one: JsonValue) => isJsonObject(one) && one['virtualIpv4'])
      : [];
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it('keeps a rotated authority over a kill; credentials of both authorities verify', async () => {
    const first = await login(new NodeKey(), 'alice', { password: PASSWORD, device: 'before' });
    await operate(['as', 'authority', 'rotate', '--after', '0']);
    await server.kill();
    await server.start();
    const second = await login(new NodeKey(), 'alice', { password: PASSWORD, device: 'after' });
    expect([(await readCredential(first)).good, (await readCredential(second)).good]).toEqual([
      true,
      true,
    ]);
    expect(await operate(['as', 'authority', 'list'])).toMatchObject([
      { state: 'former' },
      { state: 'signs' },
    ]);
    expect(existsSync(`${STATE}/as.authority-next.key`)).toBe(false);
  });
});

describe('the operator of an account server', () => {
  it('cannot give a password as an argument', async () => {
    const { code } = await sojourn(['as', 'account', 'add', 'carol', 'a password']);
    expect(code).toBe(ExitCode.usage);
  });

  it('gets the reason of a refusal', async () => {
    const { code, stderr } = await sojourn(['as', 'account', 'add', 'carol'], 'short\n');
    expect([code, stderr]).toEqual([
      ExitCode.negative,
      'sojourn: account-add: password: has fewer than 8 characters\n',
    ]);
  });

  it('removes a device, which can no longer renew', async () => {
    const key = new NodeKey();
    const first = await login(key, 'alice', { password: PASSWORD, device: 'lost' });
    await operate(['as', 'device', 'remove', 'lost.alice.nodes.example']);
    expect((await renew(key, first)).status).toBe(401);
  });

  it('changes a password', async () => {
    await operate(['as', 'account', 'add', 'dora'], `${PASSWORD}\n`);
    const changed = 'another password';
    secrets.add(changed);
    await operate(['as', 'account', 'password', 'dora'], `${changed}\n`);
    expect((await login(new NodeKey(), 'dora')).status).toBe(401);
    expect((await login(new NodeKey(), 'dora', { password: changed })).status).toBe(200);
  });

  it('installs a certificate of another authority and replaces it without restart', async () => {
    const files = {
      certificateFile: `${LAB_DIRECTORY}/as.crt`,
      keyFile: `${LAB_DIRECTORY}/as.key`,
    };
    const make = async (): Promise<void> => {
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
        ...[
          '-subj',
          '/CN=as.example',
          '-addext',
          'subjectAltName=IP:::1',
          '-keyout',
          files.keyFile,
          '-out',
          files.certificateFile,
        ],
      ]);
    };
    await make();
    await server.stop();
    server.configure({ ...CONFIGURATION, certificate: files });
    await server.start();
    const fingerprint = async () => {
      await fetchCertificate();
      return await run([
        'openssl',
        'x509',
        '-in',
        CERTIFICATE,
        '-noout',
        '-fingerprint',
        '-sha256',
      ]);
    };
    const first = await fingerprint();
    await make();
    await operate(['as', 'reload']);
    const second = await fingerprint();
    const file = await run([
      'openssl',
      'x509',
      '-in',
      files.certificateFile,
      '-noout',
      '-fingerprint',
      '-sha256',
    ]);
    expect([second === first, second]).toEqual([false, file]);
    unlinkSync(files.keyFile);
    expect(await sojourn(['as', 'reload'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot be read'),
    });
    expect((await ask('/v1/system')).status).toBe(200);
  });
});

describe('the example configuration', () => {
  it('runs with every default written out', async () => {
    await server.stop();
    server.configure(await example('as'));
    const check = await sojourn(['check', 'as', `${LAB_DIRECTORY}/as.yaml`]);
    expect([check.code, check.stderr]).toEqual([0, '']);
    await server.start();
    expect(await server.request('status')).toMatchObject({
      role: 'account-server',
      port: 4501,
      accounts: expect.any(Number),
    });
    expect(await server.stop()).toBe(0);
    server.configure({ ...CONFIGURATION, zone: 'Nodes.example' });
    const wrong = await attempt([process.execPath, MAIN, '--config', `${LAB_DIRECTORY}/as.yaml`]);
    expect([wrong.code, wrong.stdout]).toEqual([ExitCode.configuration, '']);
    expect(wrong.stderr).toMatch(/as\.yaml:\d+:\d+: zone: must be a domain name/);
    server.configure(CONFIGURATION);
    await server.start();
  });
});

describe('secrets of the account server', () => {
  it('appear in no log; the store holds neither tokens nor passwords', expectNoSecrets);
});
