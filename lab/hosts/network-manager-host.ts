import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { Background, waitFor } from '#lab/shell.ts';
import type { HostLocation, HostNetworking } from './host-networking.ts';
import { withPrivateMounts } from './private-mounts.ts';

/**
 * NetworkManager takes a shorter loss of carrier for a disturbance and asks no DHCP server again.
 * Its default is 6 s, longer than people take for a move but too long for a test.
 */
const CARRIER_WAIT_MS = 500;

/** Every interface but those of a profile is unmanaged, as the guide advises for the TUN device. */
const configuration = (profiles: string): string => `[main]
plugins=keyfile
dhcp=internal
dns=none
auth-polkit=false
no-auto-default=*
hostname-mode=none
[keyfile]
path=${profiles}
unmanaged-devices=*,except:interface-name:eth*
[connectivity]
enabled=false
[device]
match-device=*
carrier-wait-timeout=${CARRIER_WAIT_MS}
`;

const profile = (name: string, number: number): string => `[connection]
id=${name}
uuid=00000000-0000-4000-8000-00000000000${number}
type=ethernet
interface-name=${name}
[ipv4]
method=auto
[ipv6]
method=auto
addr-gen-mode=eui64
`;

/** A bus on which every client may own, send and receive everything. */
const bus = (socket: string): string => `<busconfig>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow user="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
`;

/** A host whose interfaces eth* NetworkManager configures. */
export class NetworkManagerHost implements HostNetworking {
  readonly #location: HostLocation;
  readonly #processes: Background[] = [];

  constructor(location: HostLocation) {
    this.#location = location;
  }

  async start(): Promise<void> {
    const { node, interfaces } = this.#location;
    const directory = `${LAB_DIRECTORY}/etc/${node}.nm`;
    const profiles = `${directory}/profiles`;
    mkdirSync(profiles, { recursive: true });
    writeFileSync(`${directory}/nm.conf`, configuration(profiles));
    for (const [index, name] of interfaces.entries())
      writeFileSync(`${profiles}/${name}.nmconnection`, profile(name, index + 1), { mode: 0o600 });
    const socket = `${directory}/bus`;
    writeFileSync(`${directory}/bus.conf`, bus(socket));
    this.#spawn('dbus', [
      'dbus-daemon',
      `--config-file=${directory}/bus.conf`,
      '--nofork',
      '--nopidfile',
    ]);
    const what = `the bus of ${node}`;
    await waitFor(() => existsSync(socket), { timeoutMs: 10_000, what });
    const program = ['NetworkManager', '--debug', `--config=${directory}/nm.conf`];
    const mkdir = 'mkdir -p /run/NetworkManager\nmount -t tmpfs tmpfs /run/NetworkManager';
    const argv = withPrivateMounts(
      ['/var/lib/NetworkManager', '/etc/NetworkManager/conf.d'],
      mkdir,
      [...program, '--log-level=INFO'],
    );
    const daemon = this.#spawn('nm', argv, { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` });
    for (const name of interfaces)
      await daemon.ready(`(${name}): state change: unmanaged -> unavailable`, 30_000);
  }

  #spawn(
    name: string,
    argv: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Background {
    const { node, logDirectory } = this.#location;
    const logFile = `${logDirectory}/${node}.${name}.log`;
    const started = new Background(argv, { namespace: node, logFile, environment });
    this.#processes.push(started);
    return started;
  }

  /** Resolves when NetworkManager has taken the interface down. */
  async carrierLost(name: string): Promise<void> {
    const last = (text: RegExp): number =>
      (this.#processes.at(-1)?.output() ?? '').split('\n').findLastIndex((line) => text.test(line));
    await waitFor(
      () =>
        last(new RegExp(`${name}.: state change: .* -> unavailable`)) >
        last(new RegExp(`${name}.: carrier: link connected`)),
      { timeoutMs: 10_000, what: `NetworkManager to take ${name} down` },
    );
  }

  carrierFound(): void {}

  /** NetworkManager ends before its bus. */
  async stop(): Promise<void> {
    for (const process of this.#processes.toReversed()) await process.stop();
  }
}
