/**
 * A TUN device that stands for another VPN in a node's namespace: packets that enter it are read
 * and lost. An nftables rule counts those that go to a home agent's addresses.
 */
import { ADDRESSES } from '#lab/networks.ts';
import type { Lab } from '#lab/topology.ts';

const READER = `
import fcntl, os, struct, sys
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH', sys.argv[1].encode(), 0x1001))
print('open', flush=True)
while True:
    os.read(tun, 65536)
`;

const COUNTER = (device: string): string => `table inet other-vpn {
  chain out {
    type filter hook postrouting priority 0
    oifname "${device}" ip6 daddr ${ADDRESSES.homeAgentIpv6} counter
    oifname "${device}" ip daddr ${ADDRESSES.homeAgentIpv4} counter
  }
}
`;

export class OtherVpn {
  readonly #lab: Lab;
  readonly #node: string;
  readonly device: string;

  private constructor(lab: Lab, node: string, device: string) {
    this.#lab = lab;
    this.#node = node;
    this.device = device;
  }

  /** Opens the device, with these addresses (`address/length`). */
  static async open(
    lab: Lab,
    node: string,
    device: string,
    addresses: readonly string[],
  ): Promise<OtherVpn> {
    const vpn = new OtherVpn(lab, node, device);
    await lab.spawn(node, ['python3', '-c', READER, device]).ready('open');
    for (const address of addresses)
      await vpn.#run('ip', 'address', 'add', address, 'dev', device, ...nodad(address));
    await vpn.#run('ip', 'link', 'set', device, 'up');
    await lab.exec(node, ['nft', '-f', '-'], { input: COUNTER(device) });
    return vpn;
  }

  /** Adds routes into the device, to the main table or to `table`. */
  async route(destinations: readonly string[], table = 'main'): Promise<void> {
    for (const destination of destinations) {
      const into = ['dev', this.device, 'proto', 'static', 'table', table];
      await this.#run('ip', 'route', 'add', destination, ...into);
    }
  }

  /** Removes every route that {@link route} added to the main table. */
  async removeRoutes(): Promise<void> {
    for (const family of ['-4', '-6'])
      await this.#run('ip', family, 'route', 'flush', 'dev', this.device, 'proto', 'static');
  }

  /** Packets to the home agent that entered the device. */
  async strayed(): Promise<number> {
    const text = await this.#run('nft', 'list', 'table', 'inet', 'other-vpn');
    return [...text.matchAll(/packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #run(...argv: readonly string[]): Promise<string> {
    return await this.#lab.exec(this.#node, argv);
  }
}

function nodad(address: string): readonly string[] {
  return address.includes(':') ? ['nodad'] : [];
}
