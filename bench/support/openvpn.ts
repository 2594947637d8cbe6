/**
 * Debian's OpenVPN as it is deployed today: TLS, with AES-128-GCM for data. Peer to peer, each end
 * with a certificate of its own that the other one knows by its fingerprint.
 */
import { Background, run } from '#lab/shell.ts';
import { CABLE, type Pair } from './pair.ts';
import { answers, type Peer } from './peers.ts';

const INNER = { left: '10.3.0.1', right: '10.3.0.2' } as const;
const COMMON = [
  ...['--dev-type', 'tun', '--proto', 'udp4', '--data-ciphers', 'AES-128-GCM'],
  ...['--dh', 'none', '--ping', '1', '--verb', '3'],
] as const;

interface Credential {
  readonly key: string;
  readonly certificate: string;
  readonly fingerprint: string;
}

async function credential(file: string): Promise<Credential> {
  const [key, certificate] = [`${file}.key`, `${file}.crt`];
  await run([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
    ...['-nodes', '-days', '2', '-subj', '/CN=bench', '-keyout', key, '-out', certificate],
  ]);
  const shown = ['openssl', 'x509', '-in', certificate, '-noout', '-fingerprint', '-sha256'];
  const fingerprint = (await run(shown)).trim().split('=')[1] ?? '';
  return { key, certificate, fingerprint };
}

export async function openvpn(pair: Pair, directory: string): Promise<Peer> {
  const left = await credential(`${directory}/ovl`);
  const right = await credential(`${directory}/ovr`);
  const start = async (
    namespace: string,
    device: string,
    [own, other]: readonly [Credential, Credential],
    more: readonly string[],
  ): Promise<Background> => {
    const argv = ['openvpn', '--dev', device, ...COMMON, '--key', own.key];
    argv.push('--cert', own.certificate, '--peer-fingerprint', other.fingerprint, ...more);
    const process = new Background(argv, { namespace, logFile: `${directory}/${device}.log` });
    await process.ready('link local');
    return process;
  };
  const processes = [
    await start(
      pair.right,
      'ovr',
      [right, left],
      [
        ...['--tls-server', '--local', CABLE.right4, '--lport', '1194'],
        ...['--ifconfig', INNER.right, INNER.left],
      ],
    ),
    await start(
      pair.left,
      'ovl',
      [left, right],
      [
        ...['--tls-client', '--remote', CABLE.right4, '1194', '--nobind'],
        ...['--ifconfig', INNER.left, INNER.right],
      ],
    ),
  ];
  await answers(pair.left, INNER.right);
  return {
    name: 'OpenVPN',
    server: INNER.right,
    [Symbol.asyncDispose]: async () => {
      for (const process of processes) await process.stop('SIGTERM');
    },
  };
}
