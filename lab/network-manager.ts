import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { LAB_DIRECTORY } from './enter.ts';
import { attempt, Background, run } from './shell.ts';

/**
 * The network manager of one interface of a node, as on an ordinary Linux host. On carrier loss it
 * removes the addresses and routes from router advertisements and DHCP; on carrier it runs a DHCPv4
 * client. The kernel does IPv6 stateless autoconfiguration. Static addresses and routes, and those
 * of other daemons, stay.
 */
export class NetworkManager {
  readonly #node: string;
  readonly #interface: string;
  readonly #metric: number;
  readonly #logDirectory: string;
  #client: Background | undefined;

  /** `metric` of the default route from DHCP; lower is preferred. */
  constructor(node: string, name: string, metric: number, logDirectory: string) {
    this.#node = node;
    this.#interface = name;
    this.#metric = metric;
    this.#logDirectory = logDirectory;
  }

  /** Handles the loss of the carrier. */
  async carrierLost(): Promise<void> {
    this.#client?.kill('SIGKILL');
    this.#client = undefined;
    await attempt(['sh', '-c', FLUSH, 'flush', this.#interface], { namespace: this.#node });
  }

  /**
   * Handles a new carrier: runs the DHCP client until the carrier is lost, and repeats it every
   * second while no server answers.
   */
  carrierFound(): void {
    const argv = [
      'udhcpc',
      '-f',
      '-i',
      this.#interface,
      '-s',
      clientScript(),
      '-t',
      '3',
      '-T',
      '1',
      '-A',
      '1',
    ];
    this.#client = new Background(argv, {
      namespace: this.#node,
      logFile: `${this.#logDirectory}/${this.#node}.${this.#interface}.udhcpc.log`,
      environment: { METRIC: String(this.#metric) },
    });
  }

  async stop(): Promise<void> {
    await this.#client?.stop('SIGKILL');
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
 * lease's lifetime, so they count as dynamic.
 */
const CLIENT_SCRIPT = `#!/bin/sh
case "$1" in
bound | renew)
  ip -4 address replace "$ip/$mask" dev "$interface" valid_lft "$lease" preferred_lft "$lease"
  for gateway in $router; do
    ip -4 route replace default via "$gateway" dev "$interface" proto dhcp \\
      src "$ip" metric "$METRIC"
    break
  done
  ;;
deconfig | nak)
  ip -4 address flush dev "$interface" scope global dynamic
  ip -4 route flush dev "$interface" proto dhcp
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

/** An address that a node received from the network it is plugged into. */
export interface DynamicAddress {
  readonly address: string;
  readonly family: 4 | 6;
  readonly interface: string;
}

/**
 * The usable dynamic addresses of a node: global, not permanent, and past duplicate address
 * detection or optimistic (RFC 4429). Addresses set by a daemon or by hand have no lifetime and are
 * excluded.
 */
export async function dynamicAddresses(node: string): Promise<readonly DynamicAddress[]> {
  const text = await run(['ip', '-oneline', 'address', 'show', 'scope', 'global'], {
    namespace: node,
  });
  const found: DynamicAddress[] = [];
  for (const line of text.split('\n')) {
    const match = /^\d+: (\S+) +inet(6?) ([0-9a-f.:]+)\/.* valid_lft \d+sec/.exec(line);
    if (match === null || !line.includes('dynamic')) continue;
    if (/ (dadfailed|tentative|deprecated)/.test(line) && !line.includes(' optimistic')) continue;
    const [, name = '', six, address = ''] = match;
    found.push({ address, family: six === '6' ? 6 : 4, interface: name });
  }
  return found;
}
