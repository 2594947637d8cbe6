/**
 * Two NTMobile nodes with an account server, a direction coordinator and an optional relay, all of
 * them daemons.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { keyPairOf, sha256, signingKeyOf } from '#crypto/primitives.ts';
import { isJsonObject, parseJson } from '#daemon/control/json-lines.ts';
import { type ConfigurationOverrides, DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { run, waitFor } from '#lab/shell.ts';
import { Lab, type LabOptions } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

const CLI = new URL('../../../../src/cli/cli.ts', import.meta.url).pathname;
const ZONE = 'nodes.example';
export const PASSWORD = 'a password of the test alone';
const NODES = ['a', 'b'] as const;
export type NodeName = (typeof NODES)[number];

/** Creates the key file of a daemon; returns the private octets. */
function makeKey(name: string): Uint8Array {
  const octets = sha256(new TextEncoder().encode(name));
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  writeFileSync(`${STATE_DIRECTORY}/${name}`, `hex:${hex(octets)}\n`, { mode: 0o600 });
  return octets;
}

const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

interface NodesOptions extends LabOptions {
  /** Keys of each node's configuration beside `ntmobile`. */
  readonly node?: ConfigurationOverrides;
  /** Keys of the relay's configuration; undefined: no relay. */
  readonly relay?: ConfigurationOverrides;
  /** Keys of each node's section `ntmobile`. */
  readonly ntmobile?: ConfigurationOverrides;
}

export class NtmobileNodes implements AsyncDisposable {
  readonly lab: Lab;
  readonly accountServer: DaemonProcess;
  readonly coordinator: DaemonProcess;
  readonly relay: DaemonProcess | undefined;
  readonly #nodes = new Map<NodeName, DaemonProcess>();
  readonly #options: NodesOptions;
  fingerprint = '';

  private constructor(lab: Lab, options: NodesOptions) {
    this.lab = lab;
    this.#options = options;
    const daemon = { stateDirectory: STATE_DIRECTORY, logLevel: 'debug' };
    const system = { daemon, zone: ZONE, systemPrefix: 'fd12:3456:789a::/48' };
    const authority = base64(signingKeyOf(makeKey('as.authority.key')).publicKey);
    const publicKey = base64(keyPairOf(makeKey('dc.key')).publicKey);
    const endpoints = [ADDRESSES.coordinatorIpv4, `[${ADDRESSES.coordinatorIpv6}]`];
    this.accountServer = new DaemonProcess(lab, 'as', 'as', {
      ...{ ...system, certificate: { names: ['as.example'] }, hashing: { costLog2: 12 } },
      directionCoordinators: [{ name: 'dc.example', publicKey, endpoints }],
    });
    const addresses = [ADDRESSES.coordinatorIpv4, ADDRESSES.coordinatorIpv6];
    const relayKeys =
      options.relay === undefined ? [] : [base64(keyPairOf(makeKey('rsn.key')).publicKey)];
    this.coordinator = new DaemonProcess(lab, 'dc', 'dc', {
      ...system,
      authorities: [authority],
      addresses,
      relayKeys,
    });
    if (options.relay === undefined) return;
    this.relay = new DaemonProcess(lab, 'rsn', 'rsn', {
      ...{ daemon, systemPrefix: system.systemPrefix, authorities: [authority] },
      addresses: [ADDRESSES.relayIpv6, ADDRESSES.relayIpv4],
      directionCoordinators: [{ name: 'dc.example', publicKey, endpoints }],
      ...options.relay,
    });
  }

  /** Starts the servers and creates the nodes' accounts; starts no node. */
  static async create({ node, ntmobile, relay, ...lab }: NodesOptions): Promise<NtmobileNodes> {
    const nodes = Object.fromEntries(NODES.map((name) => [name, ['eth0']]));
    const servers = ['as', 'dc', ...(relay === undefined ? [] : (['rsn'] as const))] as const;
    const made = new NtmobileNodes(await Lab.create({ nodes, servers, ...lab }), {
      ...(node === undefined ? {} : { node }),
      ...(ntmobile === undefined ? {} : { ntmobile }),
      ...(relay === undefined ? {} : { relay }),
    });
    await made.accountServer.start();
    await made.coordinator.start();
    made.fingerprint = String(objectOf(await operate(['as', 'fingerprint']))['fingerprint']);
    for (const name of NODES) await operate(['as', 'account', 'add', name], `${PASSWORD}\n`);
    return made;
  }

  /** The configuration of a node. */
  configuration(name: NodeName, overrides: ConfigurationOverrides = {}): ConfigurationOverrides {
    const passwordFile = `${LAB_DIRECTORY}/${name}.password`;
    writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    return {
      daemon: { name, stateDirectory: STATE_DIRECTORY, logLevel: 'debug' },
      ntmobile: {
        ...{
          accountServer: { host: 'as.example', fingerprint: this.fingerprint },
          account: name,
          passwordFile,
        },
        ...this.#options.ntmobile,
        ...overrides,
      },
      ...this.#options.node,
    };
  }

  node(name: NodeName): DaemonProcess {
    let daemon = this.#nodes.get(name);
    if (daemon === undefined) {
      daemon = new DaemonProcess(this.lab, 'mn', name, this.configuration(name), name);
      this.#nodes.set(name, daemon);
    }
    return daemon;
  }

  /** Starts the node, and waits until the coordinator knows it. */
  async start(name: NodeName): Promise<void> {
    await this.node(name).start();
    await this.untilRegistered(name);
  }

  async untilRegistered(name: NodeName): Promise<void> {
    const registered = async () => (await this.status(name))['coordinator'] === 'registered';
    await waitFor(registered, { timeoutMs: 20_000, what: `${name} to register` });
  }

  async status(name: NodeName): Promise<JsonObject> {
    return objectOf(objectOf(await this.node(name).request('status'))['ntmobile']);
  }

  async paths(name: NodeName): Promise<readonly JsonObject[]> {
    return objectsOf(await this.node(name).request('paths'));
  }

  async close(): Promise<void> {
    await this.lab.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Runs `sojourn --json …`; throws its output when it fails. */
export async function operate(parameters: readonly string[], input?: string): Promise<JsonValue> {
  const stdout = await run([process.execPath, CLI, '--json', ...parameters], {
    input,
    timeoutMs: 20_000,
  });
  const value = parseJson(stdout) ?? null;
  return isJsonObject(value) || Array.isArray(value) ? value : null;
}
