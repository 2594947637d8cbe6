/** Causes every counter of the observed lab to grow that stays at zero in a quiet network. */
import { DatabaseSync } from 'node:sqlite';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { HOME } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { PROTOCOL_IPV6, packet, sendRaw } from './crafted-packets.ts';
import { objectsOf } from './journey.ts';
import { GENERAL_NAME, type ObservedLab } from './observed-lab.ts';

const UDP_PORT = 4191;
const SEALED_PORT = 7890;

export async function causeEveryEvent(observed: ObservedLab): Promise<void> {
  await new EveryEvent(observed).cause();
}

class EveryEvent {
  readonly #observed: ObservedLab;

  constructor(observed: ObservedLab) {
    this.#observed = observed;
  }

  async #exec(namespace: string, ...argv: readonly string[]): Promise<string> {
    return await this.#observed.lab.exec(namespace, argv);
  }

  async #ping(namespace: string, ...parameters: readonly string[]): Promise<void> {
    await this.#observed.lab.attempt(namespace, [
      'ping',
      '-n',
      '-i',
      '0.1',
      '-W',
      '2',
      ...parameters,
    ]);
  }

  /** Sends a UDP datagram with these octets from the namespace. */
  async #datagram(namespace: string, to: string, port: number, hexadecimal: string): Promise<void> {
    const family = to.includes(':') ? 'AF_INET6' : 'AF_INET';
    const program =
      `import socket; socket.socket(socket.${family}, ` +
      `socket.SOCK_DGRAM).sendto(bytes.fromhex('${hexadecimal}'), ('${to}', ${port}))`;
    await this.#exec(namespace, 'python3', '-c', program);
  }

  async cause(): Promise<void> {
    await this.#ping('cn', '-c', '5', HOME.address);
    await this.#longSegments();
    await this.#unsolicited();
    await this.#errors();
    await this.#fragments();
    await this.#moves();
    await this.#paths();
    await this.#servers();
    await this.#crowd();
    await this.#refusals();
  }

  /**
   * Sends unsolicited datagrams: noise, and a packet with the mobile node's source, before any
   * registration.
   */
  async #unsolicited(): Promise<void> {
    await this.#datagram('cn', ADDRESSES.homeAgentIpv4, UDP_PORT, 'ff'.repeat(40));
    await this.#datagram('cn', ADDRESSES.coordinatorIpv4, SEALED_PORT, 'a0000001');
    await this.#datagram('cn', ADDRESSES.relayIpv4, SEALED_PORT, 'f0000001');
    const home = '20010db8010000000000000000000010';
    // As long as the Binding Error that answers it.
    const payload = `${'0035003500200000'}${'00'.repeat(24)}`;
    const packet = `600000000020113f${home}20010db8000f00020000000000000002${payload}`;
    await this.#datagram('cn', ADDRESSES.homeAgentIpv4, UDP_PORT, packet);
  }

  /**
   * Sends packets that are too big: for the tunnel, for IPv4 without DF, and for a router on the
   * path.
   */
  async #errors(): Promise<void> {
    await this.#ping('cn', '-c', '2', '-M', 'do', '-s', '1480', HOME.address);
    await this.#exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1380');
    await this.#ping('cn', '-c', '3', '-M', 'do', '-s', '1360', HOME.address);
    await this.#ping('cn', '-c', '2', '-M', 'dont', '-s', '1400', HOME.ipv4Address);
    await this.#exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1500');
  }

  /** TCP for longer segments than the tunnel takes, while the host knows of no smaller path. */
  async #longSegments(): Promise<void> {
    const connect = `import socket; socket.create_connection(('${HOME.address}', 9), 2)`;
    await this.#observed.lab.attempt('cn', ['python3', '-c', connect]);
  }

  /** Outer packets in fragments. */
  /** More clients than the control socket has room for; none says anything. */
  async #crowd(): Promise<void> {
    const program =
      'import socket\nclients = [socket.socket(socket.AF_UNIX) for _ in range(40)]\n' +
      `for client in clients: client.connect('${this.#observed.homeAgent.socket}')`;
    await this.#exec('home', 'python3', '-c', program);
    await this.#observed.until('sojourn_local_connections_turned_away_total');
  }

  async #fragments(): Promise<void> {
    await this.#exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1290');
    await this.#ping('cn', '-c', '5', '-s', '1232', HOME.address);
    await this.#exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1500');
  }

  /** Data to the home address in a type 2 routing header, as a correspondent sends it. */
  async #routed(careOf: Ipv6Address): Promise<void> {
    const [source, homeAddress] = [ipv6(ADDRESSES.correspondentIpv6), ipv6(HOME.address)];
    const echo = {
      type: 'echo-request',
      identifier: 1,
      sequence: 1,
      data: new Uint8Array(8),
    } as const;
    const payload = encodeIcmpv6(echo, 0, source, homeAddress);
    const extension = { type: 'type-2-routing', homeAddress } as const;
    const octets = packet(source, careOf, PROTOCOL_ICMPV6, payload, [extension]);
    await sendRaw(this.#observed.lab, 'cn', octets);
    await this.#observed.until('sojourn_plane_home_address_packets_total');
    await this.#forgedError(source, careOf);
  }

  /** Packet Too Big about a packet that the home agent never sent. */
  async #forgedError(source: Ipv6Address, careOf: Ipv6Address): Promise<void> {
    const agent = ipv6(ADDRESSES.homeAgentIpv6);
    const quoted = packet(agent, careOf, PROTOCOL_IPV6, new Uint8Array(100));
    const error = { type: 'packet-too-big', mtu: 1280, packet: quoted } as const;
    const payload = encodeIcmpv6(error, 0, source, agent);
    await sendRaw(this.#observed.lab, 'cn', packet(source, agent, PROTOCOL_ICMPV6, payload));
    await this.#observed.until('sojourn_path_errors_refused_total');
  }

  /** A handover behind a NAT, where keepalives are due. */
  async #moves(): Promise<void> {
    await this.#observed.plug('mn', 'nat-prc');
    await this.#observed.untilRegistered(this.#observed.mobileNode);
    await this.#observed.until('sojourn_keepalives_total');
  }

  /** Two nodes exchange data over the relay and directly, and move meanwhile. */
  async #paths(): Promise<void> {
    const [na, nb] = [this.#observed.node('na'), this.#observed.node('nb')];
    await this.#observed.lab.attempt(
      'na',
      na.argv(['ping', '-n', '-c', '5', '-i', '0.2', '-W', '5', nb.domainName]),
    );
    const flow = this.#observed.lab.spawn('nb', [
      'ping',
      '-n',
      '-i',
      '0.01',
      '-w',
      '120',
      (await na.virtualAddresses())[0],
    ]);
    await this.#observed.plug('nb', 'nat-sym');
    await this.#observed.plug('na', 'ar6');
    await this.#observed.until('sojourn_relay_packets_total');
    await this.#observed.plug('nb', 'ar4');
    await this.#roam();
    await flow.stop();
  }

  /**
   * The symmetric NAT of nb forgets its mappings. The direct path to na continues from another
   * outer port, which nb does not know, and the plane of na reports the new address.
   */
  async #roam(): Promise<void> {
    const [na, nb] = [this.#observed.node('na'), this.#observed.node('nb')];
    await this.#observed.plug('na', 'ar4');
    await this.#observed.plug('nb', 'nat-sym');
    const direct = async () => (await na.pathTo(nb))?.direct === true;
    await waitFor(direct, { timeoutMs: 30_000, what: 'a direct path between na and nb' });
    await this.#observed.lab.forgetMappings('nat-sym');
    await this.#observed.until('sojourn_plane_roaming_notices_total');
  }

  /**
   * Connects an IPv4 socket through the translating relay to an IPv6-only server without NTMobile.
   */
  async #servers(): Promise<void> {
    await this.#exec(
      'na',
      ...this.#observed.node('na').argv(['ping', '-4', '-n', '-c', '3', '-W', '5', GENERAL_NAME]),
    );
  }

  /** Another process locks the store, and a care-of address is unreachable. */
  async #refusals(): Promise<void> {
    await this.#observed.plug('mn', 'ar6');
    await this.#observed.untilRegistered(this.#observed.mobileNode);
    using held = new DatabaseSync(`${STATE_DIRECTORY}/ha.sqlite`);
    held.exec('BEGIN EXCLUSIVE');
    await this.#observed.sojourn('--daemon', 'mn', 'reregister');
    await this.#observed.until('sojourn_store_failures_total');
    held.exec('ROLLBACK');
    const [binding] = objectsOf(await this.#observed.homeAgent.request('bindings')).filter(
      ({ identifier }) => identifier === 'mn@example.net',
    );
    const careOf = ipv6(String(binding?.['careOfAddress']));
    await this.#routed(careOf);
    await this.#exec(
      'home',
      'ip',
      '-6',
      'route',
      'add',
      'unreachable',
      `${careOf}/128`,
      'metric',
      '1',
    );
    await this.#observed.sojourn('--daemon', 'mn', 'reregister');
    await this.#observed.until('sojourn_control_send_errors_total');
    await this.#exec(
      'home',
      'ip',
      '-6',
      'route',
      'del',
      'unreachable',
      `${careOf}/128`,
      'metric',
      '1',
    );
    await this.#observed.untilRegistered(this.#observed.mobileNode);
  }
}
