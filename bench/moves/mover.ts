/**
 * A sealed mobile node or mobile router that moves through the lab: its daemon, a stream of
 * numbered packets in each direction, and TCP downloads in each direction that have to survive.
 *
 *   mn:  probe  mn   <-> cn       HTTP  cn -> mn (IPv6),    mn -> cn (IPv4)
 *   mr:  probe  mr-a <-> cn       HTTP  cn -> mr-b (IPv4),  mr-a -> cn (IPv6)
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import {
  type DaemonPairOptions,
  DaemonProcess,
  HOME,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
  waitForHomeAddresses,
} from '#lab/daemons.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { isSettled } from '#lab/settled.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { Probe, type ProbeEnd } from '../support/probe.ts';
import { stallMs } from '../support/stall.ts';

export const MOVING_NODES = ['mn', 'mr'] as const;
export type MovingNode = (typeof MOVING_NODES)[number];

/** One move; a stall is undefined if no packet arrived in time. */
export interface Move {
  readonly from: NetworkName;
  readonly to: NetworkName;
  readonly downlinkMs: number | undefined;
  readonly uplinkMs: number | undefined;
}

/** One download: the client, its address, and the server's. */
interface Flow {
  readonly client: string;
  readonly from: string;
  readonly to: string;
}

interface Traffic {
  readonly mobile: ProbeEnd;
  readonly correspondent: ProbeEnd;
  readonly flows: readonly Flow[];
}

/** The namespaces that serve files to the node's clients, or to clients elsewhere. */
export const FILE_SERVERS: Readonly<Record<MovingNode, readonly string[]>> = {
  mn: ['cn', 'mn'],
  mr: ['cn', 'mr-a'],
};

const INTERVAL_US = 2_000;
const POLL_MS = 20;
/** Pause after a move, so that the rate limit of RFC 6275 §11.8 does not apply to the next one. */
const REST_MS = 250;
/** Longest wait for a packet, a registration or the downloads after a move. */
const PATIENCE_MS = 20_000;
const NOWHERE = { address: '::1' } as const;

export class Mover {
  readonly node: MovingNode;
  readonly daemon: DaemonProcess;
  readonly moves: Move[] = [];
  readonly #lab: Lab;
  readonly #probes: readonly [mobile: Probe, correspondent: Probe, watch: Probe];
  readonly #downloads: readonly Download[];
  #here: NetworkName;

  private constructor(
    lab: Lab,
    daemon: DaemonProcess,
    here: NetworkName,
    probes: readonly [Probe, Probe, Probe],
    downloads: readonly Download[],
  ) {
    this.#lab = lab;
    this.node = daemon.name === 'mn' ? 'mn' : 'mr';
    this.daemon = daemon;
    this.#here = here;
    this.#probes = probes;
    this.#downloads = downloads;
  }

  /** Registers from `network`, and begins the traffic. */
  static async start(
    lab: Lab,
    node: MovingNode,
    network: NetworkName,
    options: DaemonPairOptions,
  ): Promise<Mover> {
    const configuration =
      node === 'mn' ? mobileNodeConfiguration(options) : mobileRouterConfiguration('mr', options);
    const daemon = new DaemonProcess(lab, node, node, configuration);
    await lab.move(node, network);
    await lab.waitForAddress(node, NETWORKS[network].ipv6 === undefined ? 4 : 6);
    await daemon.start();
    await settled(daemon, network);
    await waitForHomeAddresses(node, homeAddressesOf(node));
    const { mobile, correspondent, flows } = await trafficOf(lab, node);
    const probe = async (own: ProbeEnd, peer: { readonly address: string }, watch = false) => {
      const ends = [own, { namespace: own.namespace, ...peer }] as const;
      const logName = `probe.${node}.${own.namespace}${watch ? '.watch' : ''}`;
      const watched = watch ? { watch: 'eth0' } : {};
      return await Probe.start(lab, ...ends, {
        ...{ sends: !watch, intervalUs: INTERVAL_US, logName },
        ...watched,
      });
    };
    const probes = [
      await probe(mobile, correspondent),
      await probe(correspondent, mobile),
      await probe({ namespace: node, ...NOWHERE }, NOWHERE, true),
    ] as const;
    const downloads = flows.map(({ client, from, to }) => {
      const host = to.includes(':') ? `[${to}]` : to;
      return new Download(client, curl(`http://${host}/file`, '--interface', from));
    });
    for (const download of downloads) await download.began();
    return new Mover(lab, daemon, network, probes, downloads);
  }

  /** Moves, and waits until the node has registered and data has arrived in both directions. */
  async move(to: NetworkName): Promise<void> {
    const { node } = this;
    const [mobile, correspondent, watch] = this.#probes;
    await this.#lab.unplug(node);
    for (const probe of this.#probes) probe.forget();
    const pulledUs = nowMs() * 1000;
    await this.#lab.move(node, to);
    const stalls = await stallsOf({ mobile, correspondent, watch }, pulledUs);
    this.moves.push({ from: this.#here, to, ...stalls });
    this.#here = to;
    await settled(this.daemon, to);
    await delay(REST_MS);
  }

  /** Waits until all downloads go on. */
  async flow(): Promise<void> {
    const before = this.#downloads.map(({ octets }) => octets);
    const flowing = () => this.#downloads.every(({ octets }, at) => octets > (before[at] ?? 0));
    await waitFor(flowing, {
      ...{ timeoutMs: PATIENCE_MS, intervalMs: POLL_MS },
      what: `the downloads of ${this.node} to go on in ${this.#here}`,
    });
  }

  /** Waits for the rest of the files; gives how many arrived whole. */
  async finish(sha256: string): Promise<number> {
    for (const probe of this.#probes) await probe.stop();
    const results = await Promise.all(this.#downloads.map(({ result }) => result));
    return results.filter((one) => one.exitCode === 0 && one.sha256 === sha256).length;
  }

  get downloads(): number {
    return this.#downloads.length;
  }

  /** A counter of the node's engine. */
  async count(name: string): Promise<number> {
    return Number(objectOf(await this.daemon.request('stats'))[name]);
  }

  [Symbol.dispose](): void {
    for (const download of this.#downloads) download.stop();
  }
}

interface Probes {
  readonly mobile: Probe;
  readonly correspondent: Probe;
  readonly watch: Probe;
}

/** When an address and the default route of its family both existed, of the first such family. */
function usableSince(watch: Probe): number | undefined {
  const families = ([4, 6] as const).flatMap((family) => {
    const [address, route] = (['address', 'route'] as const).map((what) =>
      watch.usable().find((one) => one.what === what && one.family === family),
    );
    return address === undefined || route === undefined ? [] : [Math.max(address.atUs, route.atUs)];
  });
  return families.length === 0 ? undefined : Math.min(...families);
}

async function stallsOf(
  { mobile, correspondent, watch }: Probes,
  pulledUs: number,
): Promise<Pick<Move, 'downlinkMs' | 'uplinkMs'>> {
  let downlinkMs: number | undefined;
  let uplinkMs: number | undefined;
  for (const untilMs = nowMs() + PATIENCE_MS; nowMs() < untilMs; ) {
    await delay(POLL_MS);
    const sinceUs = usableSince(watch);
    if (sinceUs === undefined) continue;
    downlinkMs ??= stallMs(mobile, sinceUs, pulledUs);
    uplinkMs ??= stallMs(correspondent, sinceUs, pulledUs);
    if (downlinkMs !== undefined && uplinkMs !== undefined) break;
  }
  return { downlinkMs, uplinkMs };
}

async function settled(daemon: DaemonProcess, network: NetworkName): Promise<void> {
  let last: JsonObject = {};
  const isThere = async (): Promise<boolean> => {
    const homes = objectOf(await daemon.request('status'))['homes'];
    last = objectOf(Array.isArray(homes) ? homes[0] : undefined);
    return isSettled(last, network);
  };
  await waitFor(isThere, {
    ...{ timeoutMs: PATIENCE_MS, intervalMs: POLL_MS },
    what: `${daemon.name} to register from ${network}`,
  }).catch((cause: unknown) => {
    throw new Error(JSON.stringify(last), { cause });
  });
}

function homeAddressesOf(node: MovingNode): readonly string[] {
  const { homeAddress, ipv4HomeAddress } = MOBILE_ROUTERS.mr;
  return node === 'mn' ? [HOME.address, HOME.ipv4Address] : [homeAddress, ipv4HomeAddress];
}

async function trafficOf(lab: Lab, node: MovingNode): Promise<Traffic> {
  const { correspondentIpv6, correspondentIpv4, correspondentOtherIpv6 } = ADDRESSES;
  if (node === 'mn')
    return {
      mobile: { namespace: 'mn', address: HOME.address },
      correspondent: { namespace: 'cn', address: correspondentIpv6 },
      flows: [
        { client: 'mn', from: HOME.address, to: correspondentIpv6 },
        { client: 'cn', from: correspondentIpv4, to: HOME.ipv4Address },
      ],
    };
  const { address: a } = await lab.waitForAddress('mr-a', 6);
  const { address: b } = await lab.waitForAddress('mr-b', 4);
  return {
    mobile: { namespace: 'mr-a', address: a },
    // The other one's port is taken by the probe of `mn`.
    correspondent: { namespace: 'cn', address: correspondentOtherIpv6 },
    flows: [
      { client: 'mr-b', from: b, to: correspondentIpv4 },
      { client: 'cn', from: correspondentIpv6, to: a },
    ],
  };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
