/**
 * One lab with a daemon of every role and all monitoring: logs at debug level, traces of every
 * control message, metrics by HTTP.
 *
 *   home (ha) ──── core ──── ar6, ar4, nat-prc, nat-sym: mn (Mobile IPv6), mr with its network,
 *                    │                                   na and nb (NTMobile)
 *                    └───── as, dc, rsn, cn
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { QUERIES } from '#daemon/answers/answer-table.ts';
import { ask, ControlClient } from '#daemon/control/control-client.ts';
import { parseJson } from '#daemon/control/json-lines.ts';
import {
  DaemonProcess,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { NTMOBILE_SERVERS, type NtmobileNode, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';
import { attempt, type Background, type Finished, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from './journey.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const METRICS_PORT = 9419;
/** Short, so that keepalives are sent during the test. */
const NAT_KEEPALIVE_SECONDS = 5;
/** An IPv6-only server without NTMobile. */
export const GENERAL_NAME = 'gn6.example';
const NETWORKS_BUILT = [
  'ar6',
  'ar4',
  'nat-prc',
  'nat-sym',
  'ds',
] as const satisfies readonly NetworkName[];

export type Role = 'ha' | 'mn' | 'mr' | 'as' | 'dc' | 'rsn';

interface ObservedDaemon {
  readonly role: Role;
  readonly daemon: DaemonProcess;
}

/** Keys in the configurations of this lab (lab/daemons.ts), as written there. */
const CONFIGURED_KEYS = ['a key for the lab alone', 'the key of mr alone'];

export class ObservedLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly homeAgent: DaemonProcess;
  readonly mobileNode: DaemonProcess;
  readonly mobileRouter: DaemonProcess;
  readonly system: NtmobileSystem;
  readonly #traces: Background[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
    const daemons = {
      mobileRouters: ['mr'],
      homeAgent: { natKeepaliveSeconds: NAT_KEEPALIVE_SECONDS },
    } as const;
    this.homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(daemons));
    this.mobileNode = new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration());
    this.mobileRouter = new DaemonProcess(lab, 'mr', 'mr', mobileRouterConfiguration('mr'), 'mr');
    this.system = new NtmobileSystem(lab, {
      nodes: ['na', 'nb'],
      node: { generalNames: [GENERAL_NAME] },
    });
    for (const { daemon } of this.daemons()) enableObservation(daemon.name);
  }

  static async start(): Promise<ObservedLab> {
    const lab = await Lab.create({
      networks: NETWORKS_BUILT,
      nodes: { mn: ['eth0'], na: ['eth0'], nb: ['eth0'] },
      ...{ mobileRouters: ['mr'], servers: NTMOBILE_SERVERS },
    });
    const observed = new ObservedLab(lab);
    await observed.#startAll();
    return observed;
  }

  /** All daemons; each role occurs at least once. */
  daemons(): readonly ObservedDaemon[] {
    const { accountServer, coordinator, relay } = this.system;
    return [
      { role: 'ha', daemon: this.homeAgent },
      { role: 'mn', daemon: this.mobileNode },
      { role: 'mr', daemon: this.mobileRouter },
      { role: 'as', daemon: accountServer },
      { role: 'dc', daemon: coordinator },
      { role: 'rsn', daemon: relay },
      ...(['na', 'nb'] as const).map(
        (name): ObservedDaemon => ({ role: 'mn', daemon: this.node(name).daemon }),
      ),
    ];
  }

  node(name: 'na' | 'nb'): NtmobileNode {
    return this.system.node(name);
  }

  async #startAll(): Promise<void> {
    await this.homeAgent.start();
    await this.system.start();
    this.#trace(this.homeAgent, this.system.coordinator, this.system.relay);
    for (const [node, network] of [
      ['mn', 'ar6'],
      ['mr', 'ar4'],
      ['na', 'ar4'],
      ['nb', 'nat-prc'],
    ] as const) {
      await this.plug(node, network);
    }
    await this.mobileNode.start();
    await this.mobileRouter.start();
    for (const name of ['na', 'nb'] as const) await this.node(name).start();
    this.#trace(this.mobileNode, this.mobileRouter, this.node('na').daemon, this.node('nb').daemon);
    for (const daemon of [this.mobileNode, this.mobileRouter]) await this.untilRegistered(daemon);
  }

  #trace(...daemons: readonly DaemonProcess[]): void {
    for (const { name } of daemons) {
      this.#traces.push(
        this.lab.spawn('core', [process.execPath, CLI, '--daemon', name, 'trace'], {
          logName: `${name}.trace`,
        }),
      );
    }
  }

  async plug(node: string, network: NetworkName): Promise<void> {
    await this.lab.move(node, network);
    await this.lab.waitForAddress(node, NETWORKS[network].ipv6 === undefined ? 4 : 6, {
      timeoutMs: 15_000,
    });
  }

  async untilRegistered(daemon: DaemonProcess): Promise<void> {
    const registered = async () =>
      objectsOf(objectOf(await daemon.request('status'))['homes']).every(
        ({ phase }) => phase === 'registered',
      );
    await waitFor(registered, { timeoutMs: 20_000, what: `${daemon.name} to register` });
  }

  async sojourn(...parameters: readonly string[]): Promise<Finished> {
    return await attempt([process.execPath, CLI, ...parameters], { timeoutMs: 30_000 });
  }

  /** The answers to every query, including refusals, and past events. */
  async answers({
    socket,
  }: DaemonProcess): Promise<readonly (readonly [command: string, text: string])[]> {
    const answers: [string, string][] = [];
    for (const command of [...Object.keys(QUERIES), 'metrics']) {
      answers.push([command, JSON.stringify(await ask(socket, command))]);
    }
    using client = await ControlClient.connect(socket);
    await client.events({ follow: false, last: 1000 }, (event) =>
      answers.push(['events', JSON.stringify(event)]),
    );
    return answers;
  }

  /** Reads the metrics by HTTP, as Prometheus does. */
  async scrape({ namespace }: DaemonProcess): Promise<string> {
    return await this.lab.exec(namespace, [
      'curl',
      '-sS',
      '--fail',
      `http://127.0.0.1:${METRICS_PORT}/metrics`,
    ]);
  }

  /** The sum of all samples of each metric; of histograms that of `_count`. */
  async sums(): Promise<ReadonlyMap<string, number>> {
    const sums = new Map<string, number>();
    for (const { daemon } of this.daemons()) {
      for (const [, name = '', value = ''] of (await this.scrape(daemon)).matchAll(
        /^([a-z_]+)(?:\{.*\})? (\S+)$/gm,
      )) {
        sums.set(name, (sums.get(name) ?? 0) + Number(value));
      }
    }
    return sums;
  }

  async until(metric: string): Promise<void> {
    const moved = async () => ((await this.sums()).get(metric) ?? 0) > 0;
    await waitFor(moved, { timeoutMs: 30_000, what: `${metric} to count` });
  }

  /** Logs of the daemons and output of the traces, by file name. */
  output(): ReadonlyMap<string, string> {
    const names = this.daemons().map(({ daemon }) => daemon.name);
    const files = readdirSync(this.lab.logDirectory).filter((file) =>
      names.some((name) => file.startsWith(`${name}.`)),
    );
    return new Map(
      files.map((file) => [file, readFileSync(`${this.lab.logDirectory}/${file}`, 'utf8')]),
    );
  }

  /** JSON lines of the logs. */
  lines(): readonly JsonObject[] {
    return [...this.output()].flatMap(([file, text]) =>
      file.includes('.trace')
        ? []
        : text
            .split('\n')
            .map((line) => objectOf(parseJson(line)))
            .filter(({ event }) => event !== undefined),
    );
  }

  /** Every secret, by kind, in each form in which it could leak. */
  secrets(): Readonly<Record<'configured' | 'keys' | 'passwords' | 'tokens', readonly string[]>> {
    const textOf = (file: string): string => readFileSync(file, 'utf8').trim();
    const keys = filesIn(STATE_DIRECTORY, /\.(key|secret)$/).map((file) =>
      textOf(file).replace(/^hex:/, ''),
    );
    return {
      configured: CONFIGURED_KEYS.flatMap((text) => [text, ...formsOf(Buffer.from(text))]),
      keys: [
        ...keys.flatMap((digits) => formsOf(Buffer.from(digits, 'hex'))),
        ...filesIn(STATE_DIRECTORY, /\.pem$/).flatMap((file) => privateLines(textOf(file))),
      ],
      passwords: filesIn(LAB_DIRECTORY, /\.secret$/).flatMap((file) => [
        textOf(file),
        ...formsOf(Buffer.from(textOf(file))),
      ]),
      tokens: storedTokens(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const trace of this.#traces) await trace.stop();
    await this.lab.close();
  }
}

/** Enables debug logs and a port for metrics by a drop-in. */
function enableObservation(name: string): void {
  const directory = `${LAB_DIRECTORY}/${name}.yaml.d`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    `${directory}/10-observed.yaml`,
    `daemon: { logLevel: debug, metrics: { port: ${METRICS_PORT} } }\n`,
  );
}

function filesIn(directory: string, pattern: RegExp): readonly string[] {
  return readdirSync(directory)
    .filter((file) => pattern.test(file))
    .map((file) => `${directory}/${file}`);
}

function formsOf(octets: Buffer): readonly string[] {
  // Octets that were serialized as JSON by mistake are a list of numbers.
  return [
    hex(octets),
    octets.toString('base64'),
    octets.toString('base64url'),
    [...octets].join(','),
  ];
}

/** The lines of the private key in a PEM file. */
function privateLines(text: string): readonly string[] {
  const [, block = ''] = /PRIVATE KEY-----\n([\s\S]*?)-----END/.exec(text) ?? [];
  return block.split('\n').filter((line) => line.length >= 16);
}

/** Renewal tokens and token keys in the stores of nodes and relays. */
function storedTokens(): readonly string[] {
  return filesIn(STATE_DIRECTORY, /\.sqlite$/).flatMap((file) => {
    using database = new DatabaseSync(file, { readOnly: true });
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const values = tables.flatMap(({ name }) =>
      database.prepare(`SELECT * FROM "${String(name)}"`).all(),
    );
    return values.flatMap((row) =>
      Object.values(row).flatMap((value) => tokensIn(typeof value === 'string' ? value : '')),
    );
  });
}

function tokensIn(text: string): readonly string[] {
  return [...text.matchAll(/"(?:renewalToken|token|tokenKey|key)":"([^"]{8,})"/g)].map(
    ([, token = '']) => token,
  );
}
