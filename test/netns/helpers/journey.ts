/**
 * A home agent and a moving mobile node, with the queries that the tests with real packets need.
 */
import { readFileSync } from 'node:fs';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { ControlClient } from '#daemon/control/control-client.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import {
  type DaemonPairOptions,
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
  waitForHomeAddresses,
} from '#lab/daemons.ts';
import { MOBILE_ROUTERS, type MobileRouterName } from '#lab/mobile-networks.ts';
import type { AttachmentPoint } from '#lab/network.ts';
import { ATTACHMENT_POINTS } from '#lab/networks.ts';
import { isSettled } from '#lab/settled.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab, type LabOptions } from '#lab/topology.ts';

interface JourneyOptions extends LabOptions {
  readonly daemons?: DaemonPairOptions;
  /** True: a mobile router with its network moves instead of the mobile node. */
  readonly router?: MobileRouterName;
}

export function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((one: JsonValue) => isJsonObject(one)) : [];
}

export function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/**
 * Both daemons in a separate lab. `events` contains the events of the mobile node since the last
 * move.
 */
export class Journey implements AsyncDisposable {
  readonly lab: Lab;
  readonly homeAgent: DaemonProcess;
  /** The daemon that moves: the mobile node, or the mobile router. */
  readonly mobileNode: DaemonProcess;
  events: JsonObject[] = [];
  #follower: ControlClient | undefined;

  readonly #homeAddresses: readonly string[];

  private constructor(lab: Lab, options: DaemonPairOptions, router: MobileRouterName | undefined) {
    this.lab = lab;
    this.homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(options));
    if (router === undefined) {
      this.mobileNode = new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration(options));
      this.#homeAddresses =
        options.homeLink === false
          ? [HOME.virtualAddress, HOME.virtualIpv4Address]
          : [HOME.address, HOME.ipv4Address];
    } else {
      this.mobileNode = new DaemonProcess(
        lab,
        'mr',
        router,
        mobileRouterConfiguration(router, options),
        router,
      );
      this.#homeAddresses = [
        MOBILE_ROUTERS[router].homeAddress,
        MOBILE_ROUTERS[router].ipv4HomeAddress,
      ];
    }
  }

  /** Builds the lab and the configurations; starts nothing. */
  static async create(options: JourneyOptions = {}): Promise<Journey> {
    const { daemons, router, ...lab } = options;
    const mobileRouters = lab.mobileRouters ?? (router === undefined ? [] : [router]);
    const nodes = router === undefined ? {} : { nodes: {} };
    return new Journey(
      await Lab.create({ ...nodes, ...lab, mobileRouters }),
      { mobileRouters, ...daemons },
      router,
    );
  }

  /**
   * Plugs the node into `network`, starts both daemons, and waits until the node is registered or
   * at home.
   */
  async start(network: AttachmentPoint): Promise<void> {
    const node = this.mobileNode.namespace;
    await this.homeAgent.start();
    await this.lab.move(node, network);
    await this.lab.waitForAddress(node, ATTACHMENT_POINTS[network].ipv6 === undefined ? 4 : 6);
    await this.startMobileNode();
    await this.settled(network);
    await waitForHomeAddresses(node, this.#homeAddresses);
  }

  async startMobileNode(): Promise<void> {
    await this.mobileNode.start();
    this.#follower?.close();
    this.#follower = await this.mobileNode.follow((event) => this.events.push(event));
  }

  /**
   * Plugs the node into another network and waits until it is registered from there (or at home).
   */
  async moveTo(network: AttachmentPoint): Promise<void> {
    this.events = [];
    await this.lab.move(this.mobileNode.namespace, network);
    await this.settled(network);
  }

  /** Waits until the node's status reports a registration from `network`. */
  async settled(network: AttachmentPoint): Promise<JsonObject> {
    let last: JsonObject = {};
    try {
      return await waitFor(
        async () => {
          last = await this.home();
          return isSettled(last, network) ? last : undefined;
        },
        { timeoutMs: 20_000, what: `the node to settle in ${network}` },
      );
    } catch (error) {
      const log = readFileSync(this.mobileNode.logFile, 'utf8').slice(-4000);
      throw new Error(`${network} is not reached: ${JSON.stringify(last)}\n${log}`, {
        cause: error,
      });
    }
  }

  /** The node's view of its only home. */
  async home(): Promise<JsonObject> {
    return objectsOf(objectOf(await this.mobileNode.request('status'))['homes'])[0] ?? {};
  }

  /** No better path is left out because it was silent. */
  async usesBestPath(): Promise<boolean> {
    return objectsOf((await this.home())['silentPaths'] ?? []).length === 0;
  }

  /** The home agent's binding, without remaining times; undefined when there is none. */
  async binding(): Promise<JsonObject | undefined> {
    const [found] = objectsOf(await this.homeAgent.request('bindings'));
    if (found === undefined) return undefined;
    const { remainingSeconds: _, ...rest } = found;
    return rest;
  }

  /** A counter of the engine of either daemon. */
  async count(daemon: DaemonProcess, reason: string): Promise<number> {
    return numberAt(objectOf(await daemon.request('stats')), reason);
  }

  /** A counter of the data plane of either daemon. */
  async planeCount(daemon: DaemonProcess, name: string): Promise<number> {
    const plane = objectOf(objectOf(await daemon.request('stats'))['plane']);
    return numberAt(plane, name);
  }

  async close(): Promise<void> {
    this.#follower?.close();
    await this.lab.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function numberAt(values: JsonObject, name: string): number {
  const value = values[name];
  if (typeof value !== 'number')
    throw new Error(`no counter ${name} in ${Object.keys(values).join(' ')}`);
  return value;
}
