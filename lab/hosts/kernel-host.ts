import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, Background } from '#lab/shell.ts';
import type { HostLocation, HostNetworking } from './host-networking.ts';

/**
 * A host without a network manager: the kernel does IPv6 stateless autoconfiguration, and a DHCPv4
 * client runs while there is a carrier. Static addresses and routes, and those of other daemons,
 * stay.
 *
 * `flushes`: on carrier loss the addresses and routes from router advertisements and DHCP are
 * removed. Otherwise the kernel is left alone.
 */
export class KernelHost implements HostNetworking {
  readonly #location: HostLocation;
  readonly #flushes: boolean;
  readonly #clients = new Map<string, Background>();

  constructor(location: HostLocation, flushes: boolean) {
    this.#location = location;
    this.#flushes = flushes;
  }

  async start(): Promise<void> {}

  async carrierLost(name: string): Promise<void> {
    this.#clients.get(name)?.kill('SIGKILL');
    this.#clients.delete(name);
    if (!this.#flushes) return;
    await attempt(['sh', '-c', FLUSH, 'flush', name], { namespace: this.#location.node });
  }

  /**
   * Runs the DHCP client until the carrier is lost; it repeats its request every second while no
   * server answers.
   */
  carrierFound(name: string): void {
    const { node, interfaces, logDirectory } = this.#location;
    const argv = ['udhcpc', '-f', '-i', name, '-s', clientScript()];
    const client = new Background([...argv, '-t', '3', '-T', '1', '-A', '1'], {
      namespace: node,
      logFile: `${logDirectory}/${node}.${name}.udhcpc.log`,
      environment: {
        METRIC: String(100 * (interfaces.indexOf(name) + 1)),
        FLUSHES: this.#flushes ? '1' : '',
      },
    });
    this.#clients.set(name, client);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.stop('SIGKILL')));
  }
}

/**
 * Removes the dynamic addresses and routes of the link `$1`. A flush that finds nothing to remove
 * is no error.
 */
const FLUSH = `ip address flush dev "$1" scope global dynamic
ip -6 route flush dev "$1" proto ra
ip -6 route show dev "$1" proto kernel | while read -r prefix rest; do
  case "$rest" in *expires*) ip -6 route delete "$prefix" dev "$1" ;; esac
done
ip -4 route flush dev "$1" proto dhcp
ip neighbour flush dev "$1"`;

/**
 * The script that the DHCP client calls with the lease in its environment. Addresses get the
 * lease's lifetime, so they count as dynamic. A lease replaces the former one; the client's start
 * (`deconfig`) removes a lease only where the host flushes.
 */
const CLIENT_SCRIPT = `#!/bin/sh
flush() {
  ip -4 address flush dev "$interface" scope global dynamic
  ip -4 route flush dev "$interface" proto dhcp
}
case "$1" in
bound | renew)
  ip -4 -oneline address show dev "$interface" scope global dynamic | grep -qF " $ip/" || flush
  ip -4 address replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
  for gateway in $router; do
    ip -4 route replace default via "$gateway" dev "$interface" proto dhcp \\
      src "$ip" metric "$METRIC"
    break
  done
  ;;
deconfig)
  [ -z "$FLUSHES" ] || flush
  ;;
nak)
  flush
  ;;
esac
exit 0
`;

function clientScript(): string {
  const file = `${LAB_DIRECTORY}/udhcpc.sh`;
  if (!existsSync(file)) {
    mkdirSync(LAB_DIRECTORY, { recursive: true });
    writeFileSync(file, CLIENT_SCRIPT, { mode: 0o755 });
  }
  return file;
}
