/** Captures of the access networks that a demo visits, and what they show in clear. */
import { type Prefix, parsePrefix } from '#base/ip.ts';
import type { Capture } from '#lab/capture.ts';
import { CLEAR_TEXT_SNAP_LENGTH, type ClearTextReport, findClearText } from '#lab/clear-text.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import type { Lab } from '#lab/topology.ts';
import { PAYLOAD_MARKER } from './digested-file.ts';

/** RFC 5555 §4.1. */
const TUNNEL_PORT = 4191;
/** Characters of a frame in the text of a report. */
const MOST_SHOWN = 200;

interface AccessCheck extends ClearTextReport {
  readonly network: string;
  /** Frames that the capture missed. */
  readonly missed: number;
}

export class AccessCaptures {
  readonly #captures: readonly (readonly [NetworkName, Capture])[];

  private constructor(captures: readonly (readonly [NetworkName, Capture])[]) {
    this.#captures = captures;
  }

  /** Captures the links that nodes are plugged into; resolves when all captures have begun. */
  static async start(lab: Lab, networks: readonly NetworkName[]): Promise<AccessCaptures> {
    const capture = async (name: NetworkName) => {
      const file = `${LAB_DIRECTORY}/access-${name}.pcap`;
      return [name, await lab.capture(name, 'lan', file, CLEAR_TEXT_SNAP_LENGTH)] as const;
    };
    return new AccessCaptures(await Promise.all(networks.map(capture)));
  }

  /**
   * Ends the capture of a network that the node is about to leave. What the kernel of its host
   * sends later, such as ICMP errors to a former care-of address, is not tunnelled.
   */
  async leave(network: NetworkName): Promise<void> {
    await this.#captures.find(([name]) => name === network)?.[1].stop();
  }

  /** Ends the captures and searches them for `inner` addresses and prefixes, and for payload. */
  async finish(inner: readonly string[]): Promise<readonly AccessCheck[]> {
    const hidden = { inner: inner.map(prefixOf), marker: PAYLOAD_MARKER, port: TUNNEL_PORT };
    await Promise.all(this.#captures.map(([, capture]) => capture.stop()));
    return this.#captures.map(([name, { file, dropped }]) => ({
      ...{ network: NETWORKS[name].label, missed: dropped ?? 0 },
      ...findClearText(file, hidden),
    }));
  }
}

/** An address without a length stands for itself alone. */
function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`"${text}" is neither an address nor a prefix`);
  return prefix;
}

/** True if every capture has sealed datagrams and nothing in clear. */
export function isSealed(checks: readonly AccessCheck[]): boolean {
  return checks.every(({ sealed, clear }) => sealed > 0 && clear === 0);
}

/** One line, and one more for each network that shows something. */
export function accessText(checks: readonly AccessCheck[]): string {
  const sum = (of: (check: AccessCheck) => number): number =>
    checks.reduce((total, check) => total + of(check), 0);
  const missed = sum((check) => check.missed);
  const shown = checks
    .filter(({ first }) => first !== undefined)
    .map(({ network, clear, frames, first = '' }) => {
      const example = first.slice(0, MOST_SHOWN);
      return `\n  ${network}: ${clear} of ${frames} frames, such as ${example} …`;
    });
  return (
    `inner addresses or payload in clear on the access networks: ${sum((check) => check.clear)} ` +
    `of ${sum((check) => check.frames)} frames` +
    `${missed === 0 ? '' : ` (${missed} more were not captured)`}${shown.join('')}`
  );
}
