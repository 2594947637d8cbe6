/**
 * The section `ntmobile:` of mn.yaml: its settings, and its faults.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownCertificate } from '#account-server/certificate.ts';
import { ntmobileWarnings } from '#composition/ntmobile-settings.ts';
import { checkConfiguration, formatFault } from '#daemon/configuration/config.ts';
import { mobileNodeSchema } from '../../../daemons/mn/config.ts';

const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
const MN = `ntmobile:
  accountServer: { host: as.example.net, fingerprint: '${FINGERPRINT}' }
  account: alice
  passwordFile: password
`;

let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-mn-config-'));
  await ownCertificate(join(directory, 'ca.pem'), ['as.example.net'], Date.now());
  for (const name of ['password', 'open'])
    writeFileSync(join(directory, name), 'secret\n', { mode: 0o600 });
  chmodSync(join(directory, 'open'), 0o644);
});
afterAll(() => rmSync(directory, { recursive: true }));

const check = (text: string) =>
  checkConfiguration(join(directory, 'mn.yaml'), text, mobileNodeSchema);

function settingsOf(text: string) {
  const result = check(text);
  if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
  return result.value;
}

function faultsOf(text: string): readonly string[] {
  const result = check(text);
  return result.ok
    ? []
    : result.faults.map((fault) => formatFault(fault).replaceAll(`${directory}/`, ''));
}

describe('a valid mn.yaml', () => {
  it('may have NTMobile alone', () => {
    const { mobileNode, ntmobile } = settingsOf(MN);
    expect(mobileNode.homes).toEqual([]);
    expect(ntmobile).toMatchObject({
      server: { host: 'as.example.net', port: 4501, trust: { fingerprints: [FINGERPRINT] } },
      ...{
        account: 'alice',
        device: undefined,
        secret: { kind: 'password', file: join(directory, 'password') },
      },
      names: { stub: { addresses: ['127.0.78.90'], port: 53 }, resolver: 'auto' },
      node: {
        port: 7890,
        unreachableNames: true,
        generalNames: [],
        table: 7890,
        rulePriority: 900,
      },
    });
  });

  it('accepts a fingerprint with or without colons', () => {
    const plain = FINGERPRINT.replaceAll(':', '').toLowerCase();
    expect(settingsOf(MN.replace(FINGERPRINT, plain)).ntmobile?.server.trust).toEqual({
      fingerprints: [FINGERPRINT],
    });
  });

  it('accepts the fingerprints of the present and the next certificate', () => {
    const next = 'CD'.repeat(32);
    const both = settingsOf(MN.replace(`'${FINGERPRINT}'`, `['${FINGERPRINT}', '${next}']`));
    expect(both.ntmobile?.server.trust).toEqual({
      fingerprints: [FINGERPRINT, next.replaceAll(/..(?!$)/g, '$&:')],
    });
  });

  it('trusts the authority of caFile, or those of the host', () => {
    const own = settingsOf(MN.replace(`fingerprint: '${FINGERPRINT}'`, 'caFile: ca.pem'));
    expect(own.ntmobile?.server.trust).toMatchObject({
      authorities: expect.stringContaining('BEGIN CERTIFICATE'),
    });
    const system = settingsOf(MN.replace(`, fingerprint: '${FINGERPRINT}'`, ''));
    expect(system.ntmobile?.server.trust).toEqual({ authorities: undefined });
  });

  it('may name a removed enrolment token, with a warning', () => {
    const { ntmobile } = settingsOf(
      MN.replace('passwordFile: password', 'enrolmentTokenFile: gone'),
    );
    expect(ntmobile?.secret).toEqual({ kind: 'enrolment-token', file: join(directory, 'gone') });
    expect(ntmobile && ntmobileWarnings(ntmobile)).toEqual([
      expect.stringContaining('gone does not exist'),
    ]);
  });
});

it('examples/mn.ntmobile.yaml passes the check except for its password file', () => {
  const text = readFileSync(new URL('../../../examples/mn.ntmobile.yaml', import.meta.url), 'utf8');
  expect(faultsOf(text)).toEqual([
    expect.stringContaining('ntmobile.passwordFile: /etc/sojourn/keys/password cannot'),
  ]);
});

describe('a wrong mn.yaml', () => {
  it('fails without homes and ntmobile', () => {
    expect(faultsOf('mark: 7\n')).toEqual([
      'mn.yaml:1:1: neither homes nor ntmobile is given (give homes for Mobile IPv6, ' +
        'ntmobile for NTMobile, or both)',
    ]);
  });

  it.each([
    [
      'a truncated fingerprint',
      FINGERPRINT,
      'AB:CD',
      'mn.yaml:2:55: ntmobile.accountServer.fingerprint: is not the SHA-256 fingerprint of a ' +
        'certificate (run "sojourn as fingerprint" on the account server to see it)',
    ],
    [
      'both fingerprint and caFile',
      'host: as.example.net,',
      'host: as.example.net, caFile: ca.pem,',
      'mn.yaml:2:50: ntmobile.accountServer.caFile: is given together with fingerprint ' +
        '(remove one of them)',
    ],
    [
      'a caFile without a certificate',
      `fingerprint: '${FINGERPRINT}'`,
      'caFile: password',
      new RegExp(
        '^mn\\.yaml:2:50: ntmobile\\.accountServer\\.caFile: password: .* ' +
          '\\(give a file with a certificate in PEM\\)$',
      ),
    ],
    [
      'an invalid host name',
      'as.example.net',
      'https://as',
      'mn.yaml:2:26: ntmobile.accountServer.host: must be a host name or an IP address',
    ],
    [
      'an account name that is not a label',
      'alice',
      'alice@example.net',
      'mn.yaml:3:12: ntmobile.account: must be 1 to 63 lower case letters, digits and "-"',
    ],
    [
      'neither password nor token',
      '  passwordFile: password\n',
      '',
      'mn.yaml:2:3: ntmobile: has neither passwordFile nor enrolmentTokenFile (give one; ' +
        '"sojourn as account token" on the account server makes a token)',
    ],
    [
      'both password and token',
      'passwordFile: password',
      'passwordFile: password\n  enrolmentTokenFile: password',
      'mn.yaml:5:23: ntmobile.enrolmentTokenFile: both passwordFile and enrolmentTokenFile ' +
        'are given (remove one of them)',
    ],
    [
      'a world-readable password file',
      'passwordFile: password',
      'passwordFile: open',
      'mn.yaml:4:17: ntmobile.passwordFile: open is readable by every user (chmod o= open)',
    ],
    [
      'a missing password file',
      'passwordFile: password',
      'passwordFile: gone',
      new RegExp(
        '^mn\\.yaml:4:17: ntmobile\\.passwordFile: gone cannot be read: ENOENT.* ' +
          '\\(create the file or correct the path\\)$',
      ),
    ],
    [
      'a stub address other than loopback',
      'account: alice',
      'account: alice\n  stub: { addresses: [192.0.2.1] }',
      'mn.yaml:4:23: ntmobile.stub.addresses[0]: must be a loopback address: other hosts ' +
        'must not reach the stub',
    ],
    [
      'a stub port that resolv.conf cannot hold',
      'account: alice',
      'account: alice\n  resolver: resolv-conf\n  stub: { port: 5353 }',
      'mn.yaml:5:17: ntmobile.stub.port: /etc/resolv.conf cannot hold a port (use port 53 ' +
        'and another loopback address)',
    ],
    [
      'an unknown resolver mode',
      'account: alice',
      'account: alice\n  resolver: resolvconf',
      'mn.yaml:4:13: ntmobile.resolver: must be one of auto, resolv-conf, systemd-resolved, ' +
        'off (did you mean "resolv-conf"?)',
    ],
    [
      'a domain with a final dot',
      'account: alice',
      'account: alice\n  generalNames: [example.com.]',
      'mn.yaml:4:18: ntmobile.generalNames[0]: must be a domain name in lower case without a ' +
        'final dot, like nodes.example',
    ],
  ])('fails with %s', (_what, from, to, fault) => {
    expect(MN).toContain(from);
    expect(faultsOf(MN.replace(from, to))).toEqual([
      typeof fault === 'string' ? fault : expect.stringMatching(fault),
    ]);
  });
});
