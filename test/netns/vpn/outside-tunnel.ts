/**
 * The packets that a host sent by its access interface, sorted by an independent dissector into
 * what keeps a tunnel alive and what leaked.
 */
import { rmSync } from 'node:fs';
import type { Capture } from '#lab/capture.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import type { Background } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const PROGRAM = new URL('leaky-host.py', import.meta.url).pathname;
/** Hosts that a leaky host sends to, besides those of the access network. */
const FAR = [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4];

/** Neighbour Discovery, listener reports, DHCP, and ARP. */
const LINK = [
  'arp',
  'icmpv6.type in {133, 135, 136, 131, 132, 143}',
  '(udp.srcport == 68 && udp.dstport == 67)',
  '(udp.srcport == 546 && udp.dstport == 547)',
];
/** To the home agent: Mobility Headers, tunnels without and with UDP. */
const { homeAgentIpv6, homeAgentIpv4 } = ADDRESSES;
const TUNNEL = [
  `(ipv6.dst == ${homeAgentIpv6} && (mipv6 || ipv6.nxt == 41 || ipv6.nxt == 4))`,
  `(ip.dst == ${homeAgentIpv4} && (ip.proto == 41 || ip.proto == 4 || udp.dstport == 4191))`,
];
const LOOKUP = '(dns.qry.name == "ha.example" && udp.dstport == 53)';

interface Sent {
  readonly leaked: readonly string[];
  /** Packets to the home agent. */
  readonly tunnelled: number;
}

export class OutsideTunnel {
  readonly #lab: Lab;
  readonly #node: string;
  readonly #device: string;
  readonly #linkAddress: string;
  /** Further packets that keep the host's tunnels alive, as tshark's filters. */
  readonly #further: readonly string[];
  #capture: Capture | undefined;
  #number = 0;

  private constructor(
    lab: Lab,
    node: string,
    { device, address }: { readonly device: string; readonly address: string },
    further: readonly string[],
  ) {
    this.#lab = lab;
    this.#node = node;
    this.#device = device;
    this.#linkAddress = address;
    this.#further = further;
  }

  static async of(lab: Lab, node: string, further: readonly string[] = []): Promise<OutsideTunnel> {
    const device = 'eth0';
    const text = await lab.exec(node, ['ip', '-oneline', 'link', 'show', device]);
    const [, address = ''] = /link\/ether (\S+)/.exec(text) ?? [];
    return new OutsideTunnel(lab, node, { device, address }, further);
  }

  async capture(): Promise<void> {
    this.#number += 1;
    const file = `${LAB_DIRECTORY}/outside-${this.#node}-${this.#number}.pcap`;
    this.#capture = await this.#lab.capture(this.#node, this.#device, file, 400);
  }

  /** Ends the capture and reads it. */
  async sent(): Promise<Sent> {
    const capture = this.#capture;
    if (capture === undefined) throw new Error('nothing is captured');
    await capture.stop();
    const own = `eth.src == ${this.#linkAddress}`;
    const allowed = [...LINK, ...TUNNEL, LOOKUP, ...this.#further].join(' || ');
    const names = [
      'frame.number',
      '_ws.col.Protocol',
      'ip.dst',
      'ipv6.dst',
      'udp.dstport',
      'ip.src',
      'frame.time_relative',
    ];
    const leaks = await dissect(capture.file, `${own} && !(${allowed})`, names);
    const tunnelled = await dissect(capture.file, `${own} && (${TUNNEL.join(' || ')})`, names);
    rmSync(capture.file);
    return {
      leaked: leaks.map((fields) => names.map((name) => fields(name)).join(' ')),
      tunnelled: tunnelled.length,
    };
  }
}

/** A process that tries to send beside the tunnel. `device` `-`: as routing likes alone. */
export async function startLeaking(
  lab: Lab,
  node: string,
  device: string,
  further: readonly string[] = [],
): Promise<Background> {
  const noise = lab.spawn(node, ['python3', PROGRAM, device, ...FAR, ...further]);
  await noise.ready('ready');
  return noise;
}
