/**
 * A sealed node, a plain node and a thief at one home agent, and the packets that attackers send.
 *
 *   mn, plain, thief -- ar6, ar4 -- core -- home (home agent, virtual home network)
 *                                    |  '-- ha2 (home agent of a second, plain home of mn)
 *                                    cn (sends packets with any source)
 */
import { fromHex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { mac1Key } from '#crypto/handshake.ts';
import { hmacSha256 } from '#crypto/primitives.ts';
import {
  type ConfigurationOverrides,
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import {
  otherHomeAgentConfiguration,
  otherMobileNodeConfiguration,
} from '#lab/other-home-agent.ts';
import { isSettled } from '#lab/settled.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { MAC_OCTETS } from '#wire/ntmobile/datagram.ts';

export const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
export const AGENT_IPV4 = ipv4(ADDRESSES.homeAgentIpv4);
export const NODE_HOME = ipv6(HOME.virtualAddress);
export const PORT = 4191;

const OPTIONS = { sealed: true, homeLink: false } as const;
const PLAIN = {
  identifier: 'plain@example.net',
  address: '2001:db8:200::11',
  ipv4Address: '203.0.113.11',
  security: { spi: 1100, key: 'text:a key of the plain node' },
} as const;
const THIEF = { identifier: 'thief@example.net', address: '2001:db8:200::12' } as const;

export function publicKeyOf(name: string): string {
  return daemonPublicKey({ stateDirectory: STATE_DIRECTORY, name });
}

/** What a thief changes in the configuration of an honest node. */
interface Disguise {
  /** The name decides which key it has. */
  readonly name?: string;
  readonly home?: ConfigurationOverrides;
}

export class AttackedLab implements AsyncDisposable {
  readonly journey: Journey;
  readonly plain: DaemonProcess;

  private constructor(journey: Journey) {
    this.journey = journey;
    const [home] = Object(mobileNodeConfiguration({ homeLink: false })).homes;
    const { identifier, address: homeAddress, ipv4Address: ipv4HomeAddress, security } = PLAIN;
    this.plain = this.#daemon('plain', 'plain', {
      ...{ ...home, identifier, homeAddress, ipv4HomeAddress, security },
    });
  }

  static async create(): Promise<AttackedLab> {
    const nodes = { mn: ['eth0'], plain: ['eth0'], thief: ['eth0'] };
    const journey = await Journey.create({
      ...{ networks: ['ar6', 'ar4'], nodes, servers: ['ha2'], daemons: OPTIONS },
    });
    const homeAgent = homeAgentConfiguration(OPTIONS);
    const { identifier, address, ipv4Address, security } = PLAIN;
    const others = [
      {
        ...{ identifier, security },
        ...{ homeAddresses: [address], ipv4HomeAddresses: [ipv4Address] },
      },
      {
        ...{ identifier: THIEF.identifier, publicKey: publicKeyOf('thief') },
        homeAddresses: [THIEF.address],
      },
    ];
    const mobileNodes = [...Object(homeAgent).mobileNodes, ...others];
    journey.homeAgent.configure({ ...homeAgent, mobileNodes });
    const node = mobileNodeConfiguration(OPTIONS);
    const homes = [node, otherMobileNodeConfiguration()].flatMap((one) => Object(one).homes);
    journey.mobileNode.configure({ ...node, homes });
    return new AttackedLab(journey);
  }

  #daemon(namespace: string, name: string, home: ConfigurationOverrides): DaemonProcess {
    const configuration = {
      ...{ ...mobileNodeConfiguration(OPTIONS), homes: [home] },
      daemon: { name, stateDirectory: STATE_DIRECTORY },
    };
    return new DaemonProcess(this.journey.lab, 'mn', namespace, configuration, name);
  }

  /** Starts every daemon but the thief's; gives the datagrams of the sealed node meanwhile. */
  async start(): Promise<readonly Uint8Array[]> {
    const { journey, plain } = this;
    const { lab } = journey;
    const other = new DaemonProcess(lab, 'ha', 'ha2', otherHomeAgentConfiguration(), 'ha2');
    await Promise.all([journey.homeAgent.start(), other.start()]);
    const file = `${lab.logDirectory}/recorded.pcap`;
    for (const node of ['mn', 'plain', 'thief']) {
      await lab.move(node, 'ar6');
      await lab.waitForAddress(node, 6);
    }
    const capture = await lab.capture('mn', 'eth0', file);
    await Promise.all([journey.startMobileNode(), plain.start()]);
    await Promise.all([journey.settled('ar6'), this.plainSettled('ar6')]);
    await this.talk();
    await capture.stop();
    const sent = await dissect(file, `ipv6.dst == ${AGENT} && udp.dstport == ${PORT}`, [
      'udp.payload',
    ]);
    return sent.map((fields) => fromHex(fields('udp.payload').replaceAll(':', '')));
  }

  async plainSettled(network: NetworkName): Promise<void> {
    const settled = async () => isSettled(await homeOf(this.plain), network);
    await waitFor(settled, { timeoutMs: 20_000, what: `the plain node to settle in ${network}` });
  }

  async moveTo(network: NetworkName): Promise<void> {
    const { journey } = this;
    await Promise.all([journey.moveTo(network), journey.lab.move('plain', network)]);
    await this.plainSettled(network);
    await this.talk();
  }

  /** The correspondent reaches the sealed node in both families. */
  async talk(): Promise<void> {
    for (const to of [HOME.virtualAddress, HOME.virtualIpv4Address])
      await waitFor(async () => await this.reaches(to), {
        ...{ timeoutMs: 10_000, what: `an answer of ${to}` },
      });
  }

  async reaches(to: string): Promise<boolean> {
    const argv = ['ping', '-n', '-c', '1', '-W', '1', to];
    return (await this.journey.lab.attempt('cn', argv)).code === 0;
  }

  /** A thief's daemon, started; it gets a name, and so a key, of its own. */
  async thief({ name = 'thief', home = {} }: Disguise): Promise<DaemonProcess> {
    const [honest] = Object(mobileNodeConfiguration(OPTIONS)).homes;
    const thief = this.#daemon('thief', name, {
      ...{ ...honest, identifier: THIEF.identifier, homeAddress: THIEF.address },
      ...{ ipv4HomeAddress: 'none', ...home },
    });
    await thief.start();
    return thief;
  }

  /** The sum of counters of a daemon's engine and data plane. */
  async sum(daemon: DaemonProcess, names: readonly string[]): Promise<number> {
    const stats = objectOf(await daemon.request('stats'));
    const plane = objectOf(stats['plane']);
    return names.reduce((sum, name) => sum + Number(stats[name] ?? plane[name] ?? 0), 0);
  }

  /** Waits until the sum of counters has grown by `by` since `action` began. */
  async counted(
    daemon: DaemonProcess,
    names: readonly string[],
    by: number,
    action: () => Promise<unknown>,
  ): Promise<void> {
    const before = await this.sum(daemon, names);
    await action();
    let now = before;
    await waitFor(
      async () => {
        now = await this.sum(daemon, names);
        return now >= before + by;
      },
      { timeoutMs: 10_000, what: `${names} of ${daemon.name} to grow by ${by}` },
    ).catch((cause: unknown) => {
      throw new Error(`they grew by ${now - before}`, { cause });
    });
  }

  /** What no attack may change. */
  async state() {
    const { journey } = this;
    const { phase, careOfAddress, encapsulation } = await journey.home();
    return {
      bindings: await this.bindings(),
      sessions: await journey.count(journey.homeAgent, 'session-started'),
      home: { phase, careOfAddress, encapsulation },
    };
  }

  /** Without what each refresh changes. */
  async bindings(): Promise<readonly string[]> {
    const bindings = objectsOf(await this.journey.homeAgent.request('bindings'));
    return bindings
      .map(({ homeAddress, careOfAddress, remote, remotePort, encapsulation }) =>
        [homeAddress, careOfAddress, remote, remotePort, encapsulation].join(' '),
      )
      .sort();
  }

  async close(): Promise<void> {
    await this.journey.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export async function homeOf(daemon: DaemonProcess) {
  return objectsOf(objectOf(await daemon.request('status'))['homes'])[0] ?? {};
}

/** The Tunnel Request with a MAC1 that is right again: everybody who knows the key can make it. */
export function withMac1(initiation: Uint8Array, responderKey: Uint8Array): Uint8Array {
  const octets = initiation.slice();
  const at = octets.length - 2 * MAC_OCTETS;
  const mac = hmacSha256(mac1Key(responderKey), octets.subarray(0, at));
  octets.set(mac.subarray(0, MAC_OCTETS), at);
  return octets;
}
