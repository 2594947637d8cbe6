import { mkdirSync, writeFileSync } from 'node:fs';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { Background, waitFor } from '#lab/shell.ts';
import type { HostLocation, HostNetworking } from './host-networking.ts';
import { withPrivateMounts } from './private-mounts.ts';

const PROGRAM = '/lib/systemd/systemd-networkd';

/** As the guide `beside-other-software` advises. */
const DAEMON = `[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
`;

const INTERFACE = `[Match]
Name=eth*
[Network]
DHCP=ipv4
IPv6AcceptRA=yes
`;

/** The daemon changes to its user; a user namespace of one id has root alone. */
const ACCOUNTS: readonly (readonly [file: string, line: string])[] = [
  ['passwd', 'systemd-network:x:0:0::/:/bin/false'],
  ['group', 'systemd-network:x:0:'],
];

/** A host whose interfaces eth* systemd-networkd configures. */
export class NetworkdHost implements HostNetworking {
  readonly #location: HostLocation;
  #daemon: Background | undefined;

  constructor(location: HostLocation) {
    this.#location = location;
  }

  async start(): Promise<void> {
    const { node, logDirectory } = this.#location;
    const directory = `${LAB_DIRECTORY}/etc/${node}.networkd`;
    mkdirSync(directory, { recursive: true });
    const files = [...ACCOUNTS, ['networkd.conf', DAEMON], ['10-eth.network', INTERFACE]] as const;
    for (const [name, text] of files) writeFileSync(`${directory}/${name}`, `${text}\n`);
    const prepare = [
      ...ACCOUNTS.map(([name]) => `mount --bind ${directory}/${name} /etc/${name}`),
      'mkdir -p /run/systemd',
      'mount -t tmpfs tmpfs /run/systemd',
      'mkdir -p /run/systemd/network /run/systemd/netif /run/systemd/networkd.conf.d',
      `cp ${directory}/networkd.conf /run/systemd/networkd.conf.d/lab.conf`,
      `cp ${directory}/10-eth.network /run/systemd/network/`,
    ].join('\n');
    const argv = withPrivateMounts(['/etc/systemd/network'], prepare, [PROGRAM]);
    this.#daemon = new Background(argv, {
      namespace: node,
      logFile: `${logDirectory}/${node}.networkd.log`,
      environment: { SYSTEMD_LOG_TARGET: 'console' },
    });
    await this.#daemon.ready('Enumeration completed');
  }

  /** Resolves when the daemon has seen it: it takes a shorter loss for none. */
  async carrierLost(name: string): Promise<void> {
    const output = () => this.#daemon?.output() ?? '';
    const last = (text: string): number => output().lastIndexOf(`${name}: ${text}`);
    await waitFor(() => last('Lost carrier') > last('Gained carrier'), {
      timeoutMs: 10_000,
      what: `systemd-networkd to see that ${name} has no carrier`,
    });
  }

  carrierFound(): void {}

  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }
}
