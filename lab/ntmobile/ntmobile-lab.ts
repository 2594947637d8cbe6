/**
 * NTMobile in the lab: an account server, a direction coordinator, a relay, and nodes that can be
 * plugged in anywhere, with their configurations, keys and accounts. Commands started with {@link
 * NtmobileNode.argv} on a node resolve names through the node's stub resolver, as on a host whose
 * resolv.conf names it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import { parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';
import { isJsonObject, parseJson } from '#daemon/control/json-lines.ts';
import { randomBytes } from '#host/process/random.ts';
import { type ConfigurationOverrides, DaemonProcess, type ProcessSpawner } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, CommandError, waitFor } from '#lab/shell.ts';
import type { Lab, LabOptions } from '#lab/topology.ts';

const CLI = new URL('../../src/cli/cli.ts', import.meta.url).pathname;
const PASSWORD = 'a password for the lab alone';

/** Zone and prefixes of the NTMobile system. */
export const NTMOBILE = {
  zone: 'nodes.example',
  systemPrefix: 'fd12:3456:789a::/48',
  /** IPv4 prefixes of nodes and of general nodes (docs/reference/ntmobile.md §2). */
  ipv4Prefix: '198.18.0.0/15',
  port: 7890,
  /** Address of a node's stub resolver, in the node's namespace. */
  stub: '127.0.78.90',
} as const;

/** The prefixes of all virtual addresses. */
export const VIRTUAL_PREFIXES = [NTMOBILE.systemPrefix, NTMOBILE.ipv4Prefix].map((text) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
});

/** Lab options for NTMobile. */
export const NTMOBILE_SERVERS = [
  'server6',
  'server4',
  'as',
  'dc',
  'rsn',
] as const satisfies LabOptions['servers'];

interface NtmobileOptions {
  /** Namespaces of the nodes; each node has an account of the same name. */
  readonly nodes: readonly string[];
  readonly accountServer?: ConfigurationOverrides;
  readonly coordinator?: ConfigurationOverrides;
  readonly relay?: ConfigurationOverrides;
  /** Starts the coordinator; default: the lab. */
  readonly coordinatorSpawner?: ProcessSpawner;
  /** Start these nodes; default: the lab. */
  readonly nodeSpawners?: Readonly<Record<string, ProcessSpawner>>;
  /** Override of the `ntmobile` section of every node. */
  readonly node?: ConfigurationOverrides;
}

const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

/**
 * Creates the key of a daemon in its state directory before its start; returns the private octets.
 */
function makeKey(file: string): Uint8Array {
  const octets = randomBytes(32);
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  writeFileSync(`${STATE_DIRECTORY}/${file}`, `hex:${hex(octets)}\n`, { mode: 0o600 });
  return octets;
}

/** A node's path to another node, as its daemon reports it. */
interface PathView {
  /** Domain name of the other node. */
  readonly name: string;
  readonly up: boolean;
  readonly direct: boolean;
  readonly remote: string | undefined;
}

/** The servers with their keys and trust relations. The lab must have {@link NTMOBILE_SERVERS}. */
export class NtmobileSystem {
  readonly accountServer: DaemonProcess;
  readonly coordinator: DaemonProcess;
  readonly relay: DaemonProcess;
  readonly nodes: ReadonlyMap<string, NtmobileNode>;

  constructor(lab: Lab, options: NtmobileOptions) {
    const daemon = { stateDirectory: STATE_DIRECTORY };
    const authority = base64(signingKeyOf(makeKey('as.authority.key')).publicKey);
    const coordinatorKey = base64(keyPairOf(makeKey('dc.key')).publicKey);
    const relayKey = base64(keyPairOf(makeKey('rsn.key')).publicKey);
    const { zone, systemPrefix } = NTMOBILE;
    const endpoints = [ADDRESSES.coordinatorIpv4, `[${ADDRESSES.coordinatorIpv6}]`];
    const coordinator = { name: 'dc.example', publicKey: coordinatorKey, endpoints };
    this.accountServer = new DaemonProcess(lab, 'as', 'as', {
      ...{ daemon, zone, systemPrefix, directionCoordinators: [coordinator] },
      relayKeys: [relayKey],
      certificate: {
        names: ['as.example', ADDRESSES.accountServerIpv4, ADDRESSES.accountServerIpv6],
      },
      ...options.accountServer,
    });
    this.coordinator = new DaemonProcess(options.coordinatorSpawner ?? lab, 'dc', 'dc', {
      ...{ daemon, zone, systemPrefix, authorities: [authority], relayKeys: [relayKey] },
      addresses: [ADDRESSES.coordinatorIpv4, ADDRESSES.coordinatorIpv6],
      ...options.coordinator,
    });
    this.relay = new DaemonProcess(lab, 'rsn', 'rsn', {
      ...{ daemon, systemPrefix, authorities: [authority], directionCoordinators: [coordinator] },
      addresses: [ADDRESSES.relayIpv4, ADDRESSES.relayIpv6],
      ...options.relay,
    });
    this.nodes = new Map(
      options.nodes.map((name) => [
        name,
        new NtmobileNode(options.nodeSpawners?.[name] ?? lab, name, options.node),
      ]),
    );
  }

  node(name: string): NtmobileNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no NTMobile node ${name}`);
    return node;
  }

  /**
   * Starts the servers and creates the accounts. The second node's account uses an enrolment token,
   * the others a password.
   */
  async start(): Promise<void> {
    await this.accountServer.start();
    await this.coordinator.start();
    await this.relay.start();
    const fingerprint = await this.#fingerprint();
    for (const [index, node] of [...this.nodes.values()].entries()) {
      const byToken = index === 1;
      await operate(
        ['as', 'account', 'add', node.name, ...(byToken ? ['--no-password'] : [])],
        `${PASSWORD}\n`,
      );
      const made = byToken ? await operate(['as', 'account', 'token', node.name]) : undefined;
      const secret = isJsonObject(made)
        ? ({ kind: 'enrolmentTokenFile', value: String(made['token']) } as const)
        : ({ kind: 'passwordFile', value: PASSWORD } as const);
      node.configure(fingerprint, secret);
    }
    await waitFor(() => this.relayRegistered(), {
      timeoutMs: 10_000,
      what: 'the relay to register',
      intervalMs: 20,
    });
  }

  /** Whether the relay reports that it is registered with the coordinator. */
  async relayRegistered(): Promise<boolean> {
    const status = await this.relay.request('status');
    const registrations = isJsonObject(status) ? status['registrations'] : undefined;
    const list: readonly JsonValue[] = Array.isArray(registrations) ? registrations : [];
    return list.some((each) => isJsonObject(each) && each['registered'] === true);
  }

  async #fingerprint(): Promise<string> {
    const shown = await operate(['as', 'fingerprint']);
    return isJsonObject(shown) ? String(shown['fingerprint']) : '';
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) await node.stop();
    await this.relay.stop();
    await this.coordinator.stop();
    await this.accountServer.stop();
  }
}

/** Runs `sojourn …` as an operator of the account server; throws with its output if it fails. */
async function operate(parameters: readonly string[], input?: string): Promise<JsonValue> {
  const argv = [process.execPath, CLI, '--json', ...parameters];
  const finished = await attempt(argv, { input, timeoutMs: 20_000 });
  if (finished.code !== 0) throw new CommandError(argv, {}, finished);
  return parseJson(finished.stdout) ?? null;
}

interface Secret {
  readonly kind: 'passwordFile' | 'enrolmentTokenFile';
  readonly value: string;
}

/** A node of NTMobile: the `mn` daemon, without Mobile IPv6, in the namespace of its name. */
export class NtmobileNode {
  /** Name of the namespace, the account and the daemon. */
  readonly name: string;
  readonly domainName: string;
  readonly daemon: DaemonProcess;
  readonly #overrides: ConfigurationOverrides;
  readonly #resolvConf: string;
  #running = false;

  constructor(spawner: ProcessSpawner, name: string, overrides: ConfigurationOverrides = {}) {
    this.name = name;
    this.domainName = `${name}.${NTMOBILE.zone}`;
    this.daemon = new DaemonProcess(spawner, 'mn', name, {}, name);
    this.#overrides = overrides;
    this.#resolvConf = `${LAB_DIRECTORY}/${name}.resolv.conf`;
    writeFileSync(this.#resolvConf, `nameserver ${NTMOBILE.stub}\noptions timeout:2 attempts:3\n`);
  }

  /** Writes the configuration; `fingerprint` is that of the account server's certificate. */
  configure(fingerprint: string, secret: Secret): void {
    const file = `${LAB_DIRECTORY}/${this.name}.secret`;
    writeFileSync(file, `${secret.value}\n`, { mode: 0o600 });
    this.daemon.configure({
      daemon: { name: this.name, stateDirectory: STATE_DIRECTORY },
      interfaces: [{ match: 'eth*', preference: 1 }],
      ntmobile: {
        accountServer: { host: 'as.example', fingerprint },
        account: this.name,
        [secret.kind]: file,
        stub: { addresses: [NTMOBILE.stub] },
        resolver: 'off',
        ...this.#overrides,
      },
    });
  }

  /** Starts the daemon and waits until the node is registered with the coordinator. */
  async start(): Promise<void> {
    await this.daemon.start();
    this.#running = true;
    const registered = async (): Promise<boolean> =>
      (await this.status())['coordinator'] === 'registered';
    await waitFor(registered, {
      timeoutMs: 20_000,
      what: `${this.name} to register`,
      intervalMs: 20,
    });
  }

  /** Stops the daemon if it runs; resolves with its exit code. */
  async stop(): Promise<number> {
    if (!this.#running) return 0;
    this.#running = false;
    return await this.daemon.stop();
  }

  async status(): Promise<JsonObject> {
    const status = await this.daemon.request('status');
    const own = isJsonObject(status) ? status['ntmobile'] : undefined;
    return isJsonObject(own) ? own : {};
  }

  /** Virtual addresses, IPv6 before IPv4. */
  async virtualAddresses(): Promise<readonly [string, string]> {
    const { virtualIpv6, virtualIpv4 } = await this.status();
    return [String(virtualIpv6), String(virtualIpv4)];
  }

  async paths(): Promise<readonly PathView[]> {
    const paths = await this.daemon.request('paths');
    const list: readonly JsonValue[] = Array.isArray(paths) ? paths : [];
    return list
      .filter((each) => isJsonObject(each))
      .map(({ name, up, direct, remote }) => ({
        ...{ name: String(name), up: up === true, direct: direct === true },
        remote: typeof remote === 'string' ? remote : undefined,
      }));
  }

  /** The established path to another node; undefined if there is none. */
  async pathTo(other: NtmobileNode): Promise<PathView | undefined> {
    return (await this.paths()).find(({ name, up }) => up && name === other.domainName);
  }

  /** Wraps a command so that its resolv.conf names the stub. */
  argv(command: readonly string[]): readonly string[] {
    return ['unshare', '--mount', 'sh', '-ec', WITH_STUB, 'stub', this.#resolvConf, ...command];
  }
}

/** Each step uses exec, so that the process id is that of the command. */
const WITH_STUB = `mount --bind "$1" "$(readlink -m /etc/resolv.conf)"
shift
exec "$@"`;
