/** `as.yaml`: its settings, and its faults. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownCertificate } from '#account-server/certificate.ts';
import {
  checkConfiguration,
  formatFault,
  loadConfiguration,
} from '#daemon/configuration/config.ts';
import { accountServerSchema } from '../../../daemons/as/config.ts';

const KEY = 'iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=';
const AS = `zone: nodes.example
systemPrefix: fd12:3456:789a::/48
directionCoordinators:
  - { name: dc.example, publicKey: 'base64:${KEY}', endpoints: [192.0.2.1] }
`;
const EXAMPLES = join(import.meta.dirname, '../../../examples');

let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-as-config-'));
  await ownCertificate(join(directory, 'good.pem'), ['as.example'], Date.now());
  await ownCertificate(join(directory, 'other.pem'), ['as.example'], Date.now());
  writeFileSync(join(directory, 'open.pem'), readFileSync(join(directory, 'good.pem')));
  chmodSync(join(directory, 'open.pem'), 0o644);
});
afterAll(() => rmSync(directory, { recursive: true }));

const check = (text: string) =>
  checkConfiguration(join(directory, 'as.yaml'), text, accountServerSchema);

function faultsOf(text: string): readonly string[] {
  const result = check(text);
  return result.ok
    ? []
    : result.faults.map((fault) => formatFault(fault).replaceAll(`${directory}/`, ''));
}

describe('a wrong as.yaml', () => {
  it.each([
    [
      'a system prefix outside fd00::/8',
      'fd12:3456:789a::/48',
      'fc00::/48',
      'as.yaml:2:15: systemPrefix: is not a /48 of fd00::/8 (RFC 4193) (for example ' +
        'fd12:3456:789a::/48)',
    ],
    [
      'a system prefix of another length',
      '::/48',
      '::/64',
      'as.yaml:2:15: systemPrefix: is not a /48 of fd00::/8 (RFC 4193) (for example ' +
        'fd12:3456:789a::/48)',
    ],
    [
      'a zone with capital letters',
      'nodes.example',
      'Nodes.example',
      'as.yaml:1:7: zone: must be a domain name in lower case without a final dot, like ' +
        'nodes.example',
    ],
    [
      'a key that is too short',
      KEY,
      'AAAA',
      'as.yaml:4:36: directionCoordinators[0].publicKey: "base64:AAAA" is not a public key ' +
        '(write hex: or base64: and its 32 octets, as the other daemon shows it)',
    ],
    [
      'an endpoint without brackets',
      '192.0.2.1',
      "'2001:db8::1:99999'",
      'as.yaml:4:103: directionCoordinators[0].endpoints[0]: "2001:db8::1:99999" is not an ' +
        'address with an optional port (for example 192.0.2.1:7890 or [2001:db8::1]:7890)',
    ],
    [
      'an empty list of coordinators',
      '[192.0.2.1]',
      '[]',
      'as.yaml:4:102: directionCoordinators[0].endpoints: must have at least 1 entry',
    ],
    [
      'a node prefix that is too long',
      '',
      'nodeIpv4Prefix: 198.18.0.0/25\n',
      'as.yaml:5:17: nodeIpv4Prefix: has fewer than 254 addresses (use a /24 or larger)',
    ],
    [
      'a renewal time below the credential time',
      '',
      'renewalSeconds: 3600\n',
      'as.yaml:5:17: renewalSeconds: is shorter than credentialSeconds (a device renews ' +
        'shortly before its credential expires)',
    ],
    [
      'a key file without a certificate',
      '',
      'certificate: { keyFile: good.pem }\n',
      'as.yaml:5:25: certificate.keyFile: is given without certificateFile (give both, or neither)',
    ],
    [
      'the key of another certificate',
      '',
      'certificate: { certificateFile: good.pem, keyFile: other.pem }\n',
      'as.yaml:5:33: certificate.certificateFile: good.pem and other.pem: the key is not ' +
        'that of the certificate (check both files)',
    ],
    [
      'a world-readable key',
      '',
      'certificate: { certificateFile: good.pem, keyFile: open.pem }\n',
      'as.yaml:5:52: certificate.keyFile: open.pem can be read by every user of this ' +
        'host: chmod o= open.pem (check both files)',
    ],
    [
      'a missing certificate',
      '',
      'certificate: { certificateFile: absent.pem, keyFile: good.pem }\n',
      expect.stringContaining('certificate.certificateFile: absent.pem cannot be read: ENOENT'),
    ],
    [
      'names together with certificate files',
      '',
      'certificate: { certificateFile: good.pem, keyFile: good.pem, names: [a.example] }\n',
      'as.yaml:5:69: certificate.names: the certificate in certificateFile has its own names ' +
        '(remove names)',
    ],
    [
      'a TUN device',
      '',
      'daemon: { device: tun0 }\n',
      'as.yaml:5:11: daemon.device: unknown key (known here: name, controlSocket, ' +
        'controlGroup, stateDirectory, logLevel, logFormat, metrics)',
    ],
    [
      'a coordinator key that is given twice',
      '[192.0.2.1] }',
      `[192.0.2.1] }\n  - { name: dc2.example, publicKey: 'base64:${KEY}', endpoints: ['::1'] }`,
      'as.yaml:5:37: directionCoordinators[1].publicKey: is given twice (each direction ' +
        'coordinator has its own)',
    ],
  ])('rejects %s', (_what, from, to, expected) => {
    expect(AS).toContain(from);
    expect(faultsOf(from === '' ? AS + to : AS.replace(from, to))).toEqual([expected]);
  });
});

describe('a valid as.yaml', () => {
  it('gets defaults', () => {
    const result = check(AS);
    if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
    expect(result.value).toMatchObject({
      daemon: {
        name: 'as',
        controlSocket: '/run/sojourn/as.sock',
        stateDirectory: '/var/lib/sojourn',
      },
      ...{ address: '::', port: 4501, certificate: { names: [hostname()] } },
      server: {
        nodeIpv4Prefix: { address: '198.18.0.0', length: 16 },
        directionCoordinators: [{ endpoints: [{ address: '192.0.2.1', port: 7890 }] }],
        credentialSeconds: 86_400,
        hashing: { cost: { costLog2: 15, blockSize: 8, parallelization: 3 }, concurrency: 2 },
      },
    });
  });

  it.each([
    ['192.0.2.1:7891', '192.0.2.1', 7891],
    ['[2001:db8::1]:7891', '2001:db8::1', 7891],
    ['2001:db8::1', '2001:db8::1', 7890],
  ])('accepts the endpoint %s', (text, address, port) => {
    const result = check(AS.replace('192.0.2.1', `'${text}'`));
    expect(result.ok && result.value.server.directionCoordinators[0]?.endpoints).toEqual([
      { address, port },
    ]);
  });

  it('names files relative to its directory', () => {
    const result = check(`${AS}certificate: { certificateFile: good.pem, keyFile: good.pem }\n`);
    const file = join(directory, 'good.pem');
    expect(result.ok && result.value.certificate).toEqual({ certificateFile: file, keyFile: file });
  });

  it.each(['as.yaml', 'as.minimal.yaml'])('examples/%s passes the check', (name) => {
    const result = loadConfiguration(join(EXAMPLES, name), accountServerSchema);
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
  });
});
