/**
 * Long-lived sessions of ordinary programs: ssh, HTTP downloads, iperf3. All must survive the moves
 * of the hosts at their ends or of the network around them; at the end no data may be missing or
 * wrong.
 */
import { expect } from 'vitest';
import { createDigestedFile, type DigestedFile } from '#lab/demo/digested-file.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { tcpResets } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { Conversation, makeSshKeys, mayServeSsh, serveSsh } from './ssh.ts';

const OCTETS = 200_000_000;
const OCTETS_PER_SECOND = 500_000;

/** One connection: client and its source address, server and its address. */
interface SessionEnds {
  readonly client: string;
  readonly from: string;
  readonly server: string;
  readonly to: string;
}

interface SessionPlan {
  readonly conversations: readonly SessionEnds[];
  readonly downloads: readonly SessionEnds[];
  /** Octets go from the client to the server. */
  readonly streams: readonly SessionEnds[];
  /** Of each download. Default: enough for some minutes. */
  readonly octets?: number;
}

interface Stream {
  readonly server: Background;
  readonly client: Background;
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);
const STREAM_PORT = 5201;

export class Sessions implements Disposable {
  readonly #lab: Lab;
  readonly #namespaces: readonly string[];
  readonly #octets: number;
  readonly #conversations: Conversation[] = [];
  readonly #downloads: Download[] = [];
  readonly #streams: Stream[] = [];
  readonly #fileServers = new Map<string, Background>();
  #file: DigestedFile | undefined;
  #resets = 0;

  private constructor(lab: Lab, plan: SessionPlan) {
    this.#lab = lab;
    this.#octets = plan.octets ?? OCTETS;
    const ends = [...plan.conversations, ...plan.downloads, ...plan.streams];
    this.#namespaces = [...new Set(ends.flatMap(({ client, server }) => [client, server]))];
  }

  /**
   * Opens every session of the plan; resolves when the servers listen and the clients were started.
   */
  static async open(lab: Lab, plan: SessionPlan): Promise<Sessions> {
    const sessions = new Sessions(lab, plan);
    sessions.#resets = await sessions.#countResets();
    await sessions.#converse(plan.conversations);
    await sessions.#download(plan.downloads);
    for (const [index, ends] of plan.streams.entries())
      await sessions.#stream(ends, STREAM_PORT + index);
    return sessions;
  }

  async #converse(plans: readonly SessionEnds[]): Promise<void> {
    if (plans.length === 0 || !mayServeSsh()) return;
    await makeSshKeys();
    for (const server of new Set(plans.map((ends) => ends.server)))
      await serveSsh(this.#lab, server);
    for (const { client, from, to } of plans)
      this.#conversations.push(new Conversation(client, to, from));
  }

  async #download(plans: readonly SessionEnds[]): Promise<void> {
    if (plans.length === 0) return;
    this.#file = createDigestedFile(`${LAB_DIRECTORY}/file`, this.#octets);
    for (const server of new Set(plans.map((ends) => ends.server))) {
      const argv = [
        process.execPath,
        'lab/demo/file-server.ts',
        this.#file.path,
        '80',
        String(OCTETS_PER_SECOND),
      ];
      const started = this.#lab.spawn(server, argv);
      await started.ready('ready');
      this.#fileServers.set(server, started);
    }
    for (const { client, from, to } of plans)
      this.#downloads.push(
        new Download(client, curl(`http://${bracketed(to)}/file`, '--interface', from)),
      );
  }

  async #stream({ client, from, server, to }: SessionEnds, port: number): Promise<void> {
    const listen = [
      'iperf3',
      '--server',
      '--port',
      String(port),
      '--forceflush',
      '--interval',
      '0.1',
    ];
    const serving = this.#lab.spawn(server, listen);
    await serving.ready('listening');
    const flow = [
      '--bind',
      from,
      '--port',
      String(port),
      '--time',
      '3600',
      '--bitrate',
      '2M',
      '--length',
      '1200',
    ];
    this.#streams.push({
      server: serving,
      client: this.#lab.spawn(client, ['iperf3', '--client', to, ...flow]),
    });
  }

  async #countResets(): Promise<number> {
    const counts = await Promise.all(this.#namespaces.map(tcpResets));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** A number for each session that grows as the session makes progress. */
  #progress(): readonly number[] {
    return [
      ...this.#downloads.map(({ octets }) => octets),
      ...this.#streams.map(({ server }) => intervalsWithData(server.output())),
      ...this.#conversations.map(({ lines }) => lines),
    ];
  }

  /** Waits until every session has made progress from now on; `network` is for the message. */
  async flow(network: string): Promise<void> {
    const before = this.#progress();
    await waitFor(() => this.#progress().every((now, at) => now > (before[at] ?? 0)), {
      timeoutMs: 60_000,
      intervalMs: 20,
      what: `data of all sessions in ${network}`,
    }).catch((error: unknown) => {
      const errors = this.#conversations.map(({ errors }) => errors);
      throw new Error(`${before.join(' ')} → ${this.#progress().join(' ')}; ${errors}`, {
        cause: error,
      });
    });
  }

  /**
   * Ends the sessions as their users would; expects no reset, and all data to have arrived
   * unchanged.
   */
  async finish(): Promise<void> {
    expect(await this.#countResets(), 'TCP resets').toBe(this.#resets);
    for (const { client } of this.#streams) {
      expect(client.finished).toBeUndefined();
      await client.stop('SIGINT');
    }
    for (const conversation of this.#conversations) {
      expect(conversation.wrong).toBe(0);
      expect(await conversation.end(), conversation.errors).toBe(0);
    }
    for (const server of this.#fileServers.values()) server.kill('SIGUSR1');
    const whole = { octets: this.#octets, sha256: this.#file?.sha256, exitCode: 0, message: '' };
    for (const download of this.#downloads) expect(await download.result).toEqual(whole);
  }

  [Symbol.dispose](): void {
    for (const conversation of this.#conversations) conversation.kill();
    for (const download of this.#downloads) download.stop();
  }
}

/** Intervals in which iperf3's server received something. */
function intervalsWithData(output: string): number {
  return [...output.matchAll(/ ([\d.]+) [KMG]?Bytes /g)].filter((match) => Number(match[1]) > 0)
    .length;
}
