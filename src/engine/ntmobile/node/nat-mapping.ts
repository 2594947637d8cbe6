/**
 * The NAT in front of a node: its mapping behaviour, and the candidates that follow from it.
 *
 * No RFC: docs/reference/ntmobile.md §6 (mapping, candidates); the terms are those of RFC 4787
 * §4.1, the two ports those of RFC 5780 §4.3
 */
import type { IpAddress } from '#base/ip.ts';
import {
  CandidateKind,
  type Endpoint,
  Mapping,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import { type Attachment, addressesOf, NOT_ATTACHED } from './attachment.ts';

/**
 * Some NATs forget a UDP mapping after 30 seconds (RFC 4787 §4.3 requires two minutes, few obey).
 */
export const KEEPALIVE_MS = 20_000;
/** Host candidates before server-reflexive ones, IPv6 before IPv4. */
const PRIORITY = { host6: 400, host4: 300, reflexive: 200 } as const;

export class NatMapping {
  readonly #port: number;
  #attachment: Attachment = NOT_ATTACHED;
  /** The node's IPv4 endpoint as the coordinator's first and second port observed it. */
  #first: Endpoint | undefined;
  #second: Endpoint | undefined;

  /** `port` is the node's own. */
  constructor(port: number) {
    this.#port = port;
  }

  /** Another NAT may be in front of the node now. */
  moved(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#first = undefined;
    this.#second = undefined;
  }

  get first(): Endpoint | undefined {
    return this.#first;
  }

  get observed(): boolean {
    return this.#first !== undefined;
  }

  observe(by: 'first' | 'second', endpoint: Endpoint): void {
    if (by === 'second') this.#second = endpoint;
    else this.#first = endpoint;
  }

  /** A value of {@link Mapping}; undefined while too little was observed. */
  get mapping(): number | undefined {
    const { ipv4 } = this.#attachment;
    if (ipv4 === undefined || this.#first === undefined) return undefined;
    if (this.#first.address === ipv4.address && this.#first.port === this.#port)
      return Mapping.none;
    if (this.#second === undefined) return undefined;
    const same =
      this.#first.address === this.#second.address && this.#first.port === this.#second.port;
    return same ? Mapping.endpointIndependent : Mapping.endpointDependent;
  }

  /** Host candidates, and the server-reflexive one when there is a NAT. */
  candidates(): readonly NtmobileOptionOf<'candidate'>[] {
    const hosts = addressesOf(this.#attachment).map((address) => this.#host(address));
    if (this.#first === undefined || this.mapping === Mapping.none) return hosts;
    return [...hosts, candidate(CandidateKind.serverReflexive, PRIORITY.reflexive, this.#first)];
  }

  #host(address: IpAddress): NtmobileOptionOf<'candidate'> {
    const priority = address === this.#attachment.ipv6?.address ? PRIORITY.host6 : PRIORITY.host4;
    return candidate(CandidateKind.host, priority, { address, port: this.#port });
  }
}

const NAT_TEXTS: Readonly<Record<number, string>> = {
  [Mapping.none]: 'none',
  [Mapping.endpointIndependent]: 'endpoint-independent',
  [Mapping.endpointDependent]: 'endpoint-dependent',
};

/** A mapping as the operator sees it. */
export function natText(mapping: number): string {
  return NAT_TEXTS[mapping] ?? 'unknown';
}

function candidate(
  kind: number,
  priority: number,
  endpoint: Endpoint,
): NtmobileOptionOf<'candidate'> {
  return { type: 'candidate', kind, priority, endpoint };
}
