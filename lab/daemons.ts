/**
 * The project's daemons in the lab: configuration files, processes and control sockets. The demo,
 * the tests and the benchmarks use them and may override any configuration key.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { daemonPublicKey } from '#composition/daemon-key.ts';
import { ask, ControlClient } from '#daemon/control/control-client.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from './enter.ts';
import {
  MOBILE_ROUTERS,
  type MobileRouterName,
  prefixesOf,
  routerAddressesOf,
} from './mobile-networks.ts';
import { ADDRESSES } from './networks.ts';
import { type Background, type RunOptions, run, waitFor } from './shell.ts';

/** Home addresses of the lab's mobile node. */
export const HOME = {
  address: '2001:db8:100::10',
  ipv4Address: '192.0.2.10',
  virtualAddress: '2001:db8:200::10',
  virtualIpv4Address: '203.0.113.10',
} as const;

export const SECURITY = { spi: 1000, key: 'text:a key for the lab alone' } as const;
export const IDENTIFIER = 'mn@example.net';
const REPOSITORY = new URL('..', import.meta.url).pathname;

export type ConfigurationOverrides = Readonly<Record<string, unknown>>;

export interface DaemonPairOptions {
  /**
   * False: the home network is virtual, routed to the home agent. Default true: the node can be
   * plugged into its home link.
   */
  readonly homeLink?: boolean;
  readonly homeAgent?: ConfigurationOverrides;
  /**
   * Override of the home of the mobile node, or of the mobile router if the pair has one instead.
   */
  readonly mobileNode?: ConfigurationOverrides;
  /** Mobile routers that the home agent serves, besides the mobile node. */
  readonly mobileRouters?: readonly MobileRouterName[];
  /** Override of the `daemon` section of both daemons. */
  readonly daemon?: ConfigurationOverrides;
  /** Security association of the mobile node, at both ends. Default: the lab's. */
  readonly security?: ConfigurationOverrides;
  /** ESP of the mobile node, at both ends, instead of `security`. */
  readonly esp?: ConfigurationOverrides;
  /** True: both ends have public keys instead, and seal. */
  readonly sealed?: boolean;
  /** Addresses of the home agent in the node's configuration. Default: its name. */
  readonly homeAgentAddresses?: readonly string[];
  /** With `sealed`, of the mobile node; default: the daemon's. */
  readonly postQuantum?: 'off' | 'preferred' | 'required';
}

/** A daemon's public key as configurations have it; the key file is made if there is none. */
function publicKeyOf(name: string): string {
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  return daemonPublicKey({ stateDirectory: STATE_DIRECTORY, name });
}

/** The member of a configuration that protects registrations with the daemon `peer`. */
function protectionWith(
  { sealed, security = SECURITY }: DaemonPairOptions,
  peer: string,
  association: ConfigurationOverrides = security,
): ConfigurationOverrides {
  return sealed === true ? { publicKey: publicKeyOf(peer) } : { security: association };
}

const associationOf = ({ security = SECURITY, esp }: DaemonPairOptions) =>
  esp === undefined ? { security } : { esp };

/** Configuration of the lab's home agent, in namespace `home`. */
export function homeAgentConfiguration(options: DaemonPairOptions = {}): ConfigurationOverrides {
  const homeLink = options.homeLink ?? true;
  return {
    daemon: { stateDirectory: STATE_DIRECTORY, ...options.daemon },
    addresses: [ADDRESSES.homeAgentIpv6],
    ipv4Addresses: [ADDRESSES.homeAgentIpv4],
    homePrefixes: [homeLink ? ADDRESSES.homePrefix : ADDRESSES.virtualHomePrefix],
    ipv4HomePrefixes: [homeLink ? ADDRESSES.homeNetworkIpv4 : ADDRESSES.virtualHomeNetworkIpv4],
    ...(homeLink ? { homeLink: 'home0' } : {}),
    mobileNodes: [
      {
        identifier: IDENTIFIER,
        ...(options.sealed === true ? protectionWith(options, 'mn') : associationOf(options)),
        homeAddresses: [homeLink ? HOME.address : HOME.virtualAddress],
        ipv4HomeAddresses: [homeLink ? HOME.ipv4Address : HOME.virtualIpv4Address],
      },
      ...(options.mobileRouters ?? []).map((name) => grantOf(name, homeLink, options)),
    ],
    ...options.homeAgent,
  };
}

export const routerKey = (name: MobileRouterName) => ({
  spi: MOBILE_ROUTERS[name].spi,
  key: `text:the key of ${name} alone`,
});

function homeAddressesOf(
  name: MobileRouterName,
  homeLink: boolean,
): readonly [ipv6: string, ipv4: string] {
  const router = MOBILE_ROUTERS[name];
  return homeLink
    ? [router.homeAddress, router.ipv4HomeAddress]
    : [router.virtualHomeAddress, router.virtualIpv4HomeAddress];
}

/** The home agent's grant for a mobile router. */
function grantOf(
  name: MobileRouterName,
  homeLink: boolean,
  options: DaemonPairOptions,
): ConfigurationOverrides {
  const [ipv6, ipv4] = homeAddressesOf(name, homeLink);
  return {
    identifier: MOBILE_ROUTERS[name].identifier,
    ...protectionWith(options, name, routerKey(name)),
    homeAddresses: [ipv6],
    ipv4HomeAddresses: [ipv4],
    mobileNetworkPrefixes: prefixesOf(MOBILE_ROUTERS[name]),
  };
}

/** Configuration of a mobile router of the lab, in the namespace of its name. */
export function mobileRouterConfiguration(
  name: MobileRouterName,
  options: DaemonPairOptions = {},
): ConfigurationOverrides {
  const homeLink = options.homeLink ?? true;
  const router = MOBILE_ROUTERS[name];
  const [homeAddress, ipv4HomeAddress] = homeAddressesOf(name, homeLink);
  return {
    daemon: { name, stateDirectory: STATE_DIRECTORY, ...options.daemon },
    homes: [
      {
        name: 'home',
        homeAgent: 'ha.example',
        homeAddress,
        ipv4HomeAddress,
        virtualHomeNetwork: !homeLink,
        ...(homeLink
          ? { ipv4HomeLink: { prefixLength: 24, gateway: ADDRESSES.homeAgentIpv4 } }
          : {}),
        identifier: router.identifier,
        ...protectionWith(options, 'ha', routerKey(name)),
        mobileNetworkPrefixes: prefixesOf(router),
      },
    ],
    mobileNetworks: [{ device: 'lan0', addresses: routerAddressesOf(router) }],
    interfaces: [{ match: 'eth*', preference: 1 }],
    ...options.mobileNode,
  };
}

/** Configuration of the lab's mobile node, in namespace `mn`. */
export function mobileNodeConfiguration(options: DaemonPairOptions = {}): ConfigurationOverrides {
  const homeLink = options.homeLink ?? true;
  return {
    daemon: { stateDirectory: STATE_DIRECTORY, ...options.daemon },
    homes: [
      {
        name: 'home',
        homeAgent: options.homeAgentAddresses ?? 'ha.example',
        homeAddress: homeLink ? HOME.address : HOME.virtualAddress,
        ipv4HomeAddress: homeLink ? HOME.ipv4Address : HOME.virtualIpv4Address,
        virtualHomeNetwork: !homeLink,
        ...(homeLink
          ? { ipv4HomeLink: { prefixLength: 24, gateway: ADDRESSES.homeAgentIpv4 } }
          : {}),
        identifier: IDENTIFIER,
        ...(options.sealed === true ? protectionWith(options, 'ha') : associationOf(options)),
        ...(options.postQuantum === undefined ? {} : { postQuantum: options.postQuantum }),
      },
    ],
    interfaces: [{ match: 'eth*', preference: 1 }],
    ...options.mobileNode,
  };
}

/**
 * Waits until the mobile node's home addresses are on its host and past Duplicate Address
 * Detection.
 */
export async function waitForHomeAddresses(
  namespace: string,
  addresses: readonly string[] = [HOME.address, HOME.ipv4Address],
): Promise<void> {
  await waitFor(
    async () => {
      const lines = (await run(['ip', '-oneline', 'address', 'show'], { namespace })).split('\n');
      return addresses.every((address) =>
        lines.some((line) => line.includes(` ${address}/`) && !/ tentative| dadfailed/.test(line)),
      );
    },
    { timeoutMs: 10_000, what: `usable home addresses in ${namespace}` },
  );
}

/**
 * Starts and ends the processes of daemons in namespaces: a {@link Lab} or another owner of
 * namespaces.
 */
export interface ProcessSpawner {
  spawn(
    namespace: string,
    argv: readonly string[],
    options: Omit<RunOptions, 'namespace'> & { readonly logName?: string },
  ): Background;
}

/** One running daemon of the suite. */
export class DaemonProcess {
  readonly name: string;
  readonly namespace: string;
  readonly #spawner: ProcessSpawner;
  readonly #role: string;
  readonly #file: string;
  #process: Background | undefined;
  #starts = 0;

  /**
   * `role` is the directory under daemons/. The daemon's name (socket, store) equals `name` unless
   * the configuration sets another one.
   */
  constructor(
    spawner: ProcessSpawner,
    role: string,
    namespace: string,
    configuration: ConfigurationOverrides,
    name = role,
  ) {
    this.#spawner = spawner;
    this.#role = role;
    this.name = name;
    this.namespace = namespace;
    mkdirSync(STATE_DIRECTORY, { recursive: true });
    this.#file = `${LAB_DIRECTORY}/${name}.yaml`;
    // Removes drop-ins of an earlier daemon of that name.
    rmSync(`${this.#file}.d`, { recursive: true, force: true });
    this.configure(configuration);
  }

  /** Writes the configuration file; the next start reads it. */
  configure(configuration: ConfigurationOverrides): void {
    writeFileSync(this.#file, stringify(configuration), { mode: 0o600 });
  }

  get socket(): string {
    return `/run/sojourn/${this.name}.sock`;
  }

  get pid(): number {
    return this.#running().pid;
  }

  get logFile(): string {
    return this.#running().logFile;
  }

  /** Starts it and waits until its control socket answers. */
  async start(): Promise<void> {
    this.#starts += 1;
    const main = `${REPOSITORY}daemons/${this.#role}/main.ts`;
    const started = this.#spawner.spawn(
      this.namespace,
      [process.execPath, main, '--config', this.#file],
      {
        logName: `${this.name}.${this.#starts}`,
        directory: REPOSITORY,
      },
    );
    this.#process = started;
    let refused: unknown;
    await waitFor(
      async () => {
        if (started.finished !== undefined)
          throw new Error(`${this.name} ended (${started.finished.code}):\n${started.output()}`);
        return await this.request('status').then(
          () => true,
          (error: unknown) => {
            refused = error;
            return false;
          },
        );
      },
      { timeoutMs: 60_000, what: `${this.name} to answer on ${this.socket}`, intervalMs: 20 },
    ).catch((cause: unknown) => {
      if (started.finished !== undefined) throw cause;
      throw new Error(`${String(cause)}; ${String(refused)}\n${started.output().slice(-4000)}`, {
        cause,
      });
    });
  }

  /** Sends a request to the control socket; throws if the daemon refuses it. */
  async request(command: string, parameters: JsonObject = {}): Promise<JsonValue> {
    const { ok, value } = await ask(this.socket, command, parameters);
    if (!ok) throw new Error(`${this.name} refused ${command}: ${JSON.stringify(value)}`);
    return value;
  }

  /** Receives every event from now on, until the returned client is closed. */
  async follow(receive: (event: JsonObject) => void): Promise<ControlClient> {
    const client = await ControlClient.connect(this.socket);
    client.events({ follow: true, last: 0 }, receive).catch(() => undefined);
    return client;
  }

  /** Kills it (SIGKILL), as a crash would. */
  async kill(): Promise<void> {
    await this.#running().stop('SIGKILL');
  }

  /** Stops it as an operator would (SIGTERM); resolves with the exit code. */
  async stop(): Promise<number> {
    const { code } = await this.#running().stop('SIGTERM', 8_000);
    return code;
  }

  #running(): Background {
    if (this.#process === undefined) throw new Error(`${this.name} was never started`);
    return this.#process;
  }
}
