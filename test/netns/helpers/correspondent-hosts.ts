/**
 * A correspondent node with its daemon, and a mobile node made of a plane and the test's own return
 * routability. The router stands for the home network as well: it routes the home address to the
 * care-of address.
 *
 *      cn  (sojourn-cn)                       router                        mn (a plane)
 *      eth0 2001:db8:c::1, ::2 /64 ---- left ::fe      right ::fe ---- eth0 2001:db8:a::7, ::8 /64
 *                                                                      sj0  2001:db8:1::100 /128
 */
import { assert } from '#base/assert.ts';
import { fromHex, hex, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { bindingManagementKey, signBindingAuthorization } from '#crypto/return-routability.ts';
import { type ConfigurationOverrides, DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { type MobilityMessage, NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';
import { mobility, packet } from './crafted-packets.ts';
import { PlaneEnd, TUN } from './plane/plane-hosts.ts';

export const CN = ipv6('2001:db8:c::1');
export const OTHER_CN = ipv6('2001:db8:c::2');
export const HOME = ipv6('2001:db8:1::100');
export const CARE_OF = ipv6('2001:db8:a::7');
export const OTHER_CARE_OF = ipv6('2001:db8:a::8');
const MARK = 0x100;
const TABLE = 500;
const TUNNEL = 7;
const OVER_IPV6 = { kind: 'ipv6' } as const;
const NO_ANSWERS = `add table ip6 node
add chain ip6 node input { type filter hook input priority raw; }
add rule ip6 node input iifname "${TUN}" accept
add rule ip6 node input meta l4proto 135 drop
add rule ip6 node input rt type 2 drop
`;

interface Token {
  readonly index: number;
  readonly token: Uint8Array;
}

export class CorrespondentHosts implements AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly node: PlaneEnd;
  sequence = 0;
  #home: Token | undefined;

  private constructor(configuration: ConfigurationOverrides) {
    const logged = { spawn: spawnLogged };
    this.daemon = new DaemonProcess(logged, 'cn', 'cn', {
      daemon: { stateDirectory: STATE_DIRECTORY },
      ...configuration,
    });
    this.node = new PlaneEnd('mn', {
      ...{ lookup: 'inner-source', udpPort: 0, optimized: true, mark: MARK, deviceMtu: 1500 },
    });
  }

  static async create(configuration: ConfigurationOverrides = {}): Promise<CorrespondentHosts> {
    await connect();
    const hosts = new CorrespondentHosts(configuration);
    await Promise.all([hosts.daemon.start(), hosts.node.ready()]);
    await ipBatch([`address add ${HOME}/128 dev ${TUN} nodad`], { namespace: 'mn' });
    const rule = `from ${HOME} fwmark 0/${MARK} lookup ${TABLE}`;
    await run(['ip', '-6', 'rule', 'add', 'pref', '900', ...rule.split(' ')], { namespace: 'mn' });
    return hosts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.stop();
    await this.node[Symbol.asyncDispose]();
    await ipBatch(['cn', 'router', 'mn'].map((name) => `netns delete ${name}`));
  }

  // --- return routability ---

  /** Sends a message from the mobile node and gives the answer of that type. */
  async exchange<T extends MobilityMessage['type']>(
    octets: Uint8Array,
    type: T,
  ): Promise<{
    readonly packet: Ipv6Packet;
    readonly message: Extract<MobilityMessage, { readonly type: T }>;
  }> {
    const before = this.node.punts.length;
    await this.send(octets);
    const found = () =>
      this.node.punts.slice(before).flatMap((punt) => {
        const parsed = ipv6Codec.parse(fromHex(punt.packet));
        assert(!isMalformed(parsed), 'IPv6');
        const header = mobilityCodec.parse(parsed.payload);
        if (isMalformed(header) || !isOfType(header.message, type)) return [];
        return [{ packet: parsed, message: header.message }];
      });
    await waitFor(() => found().length > 0, { timeoutMs: 5_000, what: `a ${type}` });
    const [first] = found();
    assert(first !== undefined, type);
    return first;
  }

  async send(octets: Uint8Array): Promise<void> {
    await this.node.ask({ inject: { path: OVER_IPV6, packet: hex(octets) } });
  }

  async homeToken(): Promise<Token> {
    const init = { type: 'home-test-init', homeInitCookie: 1n, options: [] } as const;
    const { message } = await this.exchange(mobility(HOME, CN, init), 'home-test');
    return { index: message.homeNonceIndex, token: message.homeKeygenToken };
  }

  async careOfToken(careOf: Ipv6Address): Promise<Token> {
    const init = { type: 'care-of-test-init', careOfInitCookie: 2n, options: [] } as const;
    const { message } = await this.exchange(mobility(careOf, CN, init), 'care-of-test');
    return { index: message.careOfNonceIndex, token: message.careOfKeygenToken };
  }

  /** Sends a Binding Update; gives the status and the granted lifetime. Lifetime 0 deletes. */
  async update(careOf: Ipv6Address, lifetimeUnits = 100) {
    this.#home ??= await this.homeToken();
    const { index, token } = this.#home;
    const careOfToken = lifetimeUnits === 0 ? undefined : await this.careOfToken(careOf);
    const update = {
      type: 'binding-update',
      sequence: ++this.sequence,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true },
      lifetimeUnits,
      options: [
        {
          type: 'nonce-indices',
          homeNonceIndex: index,
          careOfNonceIndex: careOfToken?.index ?? 0,
        } as const,
      ],
    } as const;
    const header = signBindingAuthorization(
      update,
      bindingManagementKey(token, careOfToken?.token),
      {
        ...{ careOfAddress: careOfToken === undefined ? HOME : careOf, correspondent: CN },
        ...{ source: HOME, destination: CN },
      },
    );
    const extensions = [homeAddressExtension(HOME)];
    const octets = packet(careOf, CN, PROTOCOL_MOBILITY, header, extensions);
    const { packet: answer, message } = await this.exchange(octets, 'binding-acknowledgement');
    return { answer, status: message.status, lifetimeUnits: message.lifetimeUnits };
  }

  /** Registers, and sends packets to the correspondent by the direct path from then on. */
  async bind(careOf: Ipv6Address = CARE_OF): Promise<void> {
    const { status } = await this.update(careOf);
    assert(status === 0, `status ${status}`);
    await this.use(careOf);
  }

  /** The mobile node's side of the direct path. */
  async use(careOf: Ipv6Address): Promise<void> {
    const path = { carrier: 'optimized', local: careOf, remote: CN, localPort: 0, remotePort: 0 };
    await this.node.ask({ tunnelSet: { id: TUNNEL, path, protection: 'none', mtu: 1476 } });
    await this.node.ask({
      routeSet: { prefix: { address: HOME, length: 128 }, tunnel: TUNNEL },
    });
    await ipBatch([`route replace ${CN} dev ${TUN} mtu 1476 table ${TABLE}`], {
      namespace: 'mn',
    });
  }

  /** Deletes the binding; packets use the home network again. */
  async unbind(careOf: Ipv6Address = CARE_OF): Promise<void> {
    await this.leave();
    const { status } = await this.update(careOf, 0);
    assert(status === 0, `status ${status}`);
  }

  /** The mobile node sends nothing more by the direct path. */
  async leave(): Promise<void> {
    await run(['ip', '-6', 'route', 'flush', 'table', String(TABLE)], { namespace: 'mn' });
  }

  // --- observation ---

  async bindings(): Promise<JsonValue> {
    return await this.daemon.request('bindings');
  }

  async count(name: string, group?: 'plane'): Promise<number> {
    const stats = await this.daemon.request('stats');
    const text = JSON.stringify(stats);
    const { plane, ...engine }: Record<string, unknown> = JSON.parse(text);
    const counters: unknown = group === undefined ? engine : plane;
    const found = new RegExp(`"${name}":(\\d+)`).exec(JSON.stringify(counters))?.[1];
    return Number(found);
  }

  async capture(file: string): Promise<{ readonly file: string; stop(): Promise<void> }> {
    const program = new URL('../../../native/build/sojourn-capture', import.meta.url).pathname;
    const argv = [program, '--interface', 'left', '--file', file];
    const capturing = spawnLogged('router', argv);
    await capturing.ready('ready');
    return {
      file,
      async stop() {
        await capturing.stop('SIGINT');
      },
    };
  }
}

function isOfType<T extends MobilityMessage['type']>(
  message: MobilityMessage,
  type: T,
): message is Extract<MobilityMessage, { readonly type: T }> {
  return message.type === type;
}

let spawned = 0;

function spawnLogged(
  namespace: string,
  argv: readonly string[],
  { logName = 'process', ...options }: { readonly logName?: string } = {},
): Background {
  const logFile = `${LAB_DIRECTORY}/log/${logName}.${spawned++}.log`;
  return new Background(argv, { ...options, namespace, logFile });
}

async function connect(): Promise<void> {
  await ipBatch([
    ...['cn', 'router', 'mn'].map((one) => `netns add ${one}`),
    'link add eth0 netns cn type veth peer name left netns router',
    'link add eth0 netns mn type veth peer name right netns router',
  ]);
  await run(['sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1'], { namespace: 'router' });
  await ipBatch(
    [
      ...['lo', 'left', 'right'].map((one) => `link set ${one} up`),
      'address add 2001:db8:c::fe/64 dev left nodad',
      'address add 2001:db8:a::fe/64 dev right nodad',
      `route add ${HOME} via ${CARE_OF} dev right`,
    ],
    { namespace: 'router' },
  );
  await ipBatch(
    [
      'link set lo up',
      'link set eth0 up',
      `address add ${OTHER_CN}/64 dev eth0 nodad preferred_lft 0`,
      `address add ${CN}/64 dev eth0 nodad`,
      'route add default via 2001:db8:c::fe dev eth0',
    ],
    { namespace: 'cn' },
  );
  await ipBatch(
    [
      'link set lo up',
      'link set eth0 up',
      `address add ${OTHER_CARE_OF}/64 dev eth0 nodad preferred_lft 0`,
      `address add ${CARE_OF}/64 dev eth0 nodad`,
      'route add default via 2001:db8:a::fe dev eth0',
    ],
    { namespace: 'mn' },
  );
  await run(['nft', '-f', '-'], { namespace: 'mn', input: NO_ANSWERS });
}
