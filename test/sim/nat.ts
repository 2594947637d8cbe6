/** Network address translators by RFC 4787: their mapping and filtering behaviour. */
import type { Ipv4Address } from '#base/ip.ts';
import type { SeededRandom } from './random.ts';

export const NatKind = {
  EndpointIndependent: 'endpoint-independent',
  AddressDependent: 'address-dependent',
  AddressAndPortDependent: 'address-and-port-dependent',
  /** A new external port for each destination, filtering by address and port. */
  Symmetric: 'symmetric',
} as const;
export type NatKind = (typeof NatKind)[keyof typeof NatKind];

export interface Endpoint {
  readonly address: Ipv4Address;
  readonly port: number;
}

interface Mapping {
  readonly inside: Endpoint;
  readonly externalPort: number;
  readonly key: string;
  expiresAt: number;
  /** Destinations that the inside has sent to: address, and address with port. */
  readonly contacted: Set<string>;
}

const text = (endpoint: Endpoint): string => `${endpoint.address}:${endpoint.port}`;

export class Nat {
  readonly kind: NatKind;
  readonly externalAddress: Ipv4Address;
  readonly timeoutMs: number;
  readonly #random: SeededRandom;
  readonly #byInside = new Map<string, Mapping>();
  readonly #byPort = new Map<number, Mapping>();

  constructor(
    kind: NatKind,
    externalAddress: Ipv4Address,
    timeoutMs: number,
    random: SeededRandom,
  ) {
    this.kind = kind;
    this.externalAddress = externalAddress;
    this.timeoutMs = timeoutMs;
    this.#random = random;
  }

  get mappings(): number {
    return this.#byPort.size;
  }

  /**
   * The source that the outside sees. Outbound packets, and only these, keep a mapping alive (RFC
   * 4787 REQ-6).
   */
  outbound(now: number, source: Endpoint, destination: Endpoint): Endpoint {
    const key =
      this.kind === NatKind.Symmetric ? `${text(source)} ${text(destination)}` : text(source);
    let mapping = this.#byInside.get(key);
    if (mapping !== undefined && mapping.expiresAt < now) {
      this.#remove(mapping);
      mapping = undefined;
    }
    mapping ??= this.#create(source, key);
    mapping.expiresAt = now + this.timeoutMs;
    mapping.contacted.add(destination.address).add(text(destination));
    return { address: this.externalAddress, port: mapping.externalPort };
  }

  /** The inside endpoint for a packet from outside; undefined when it is filtered. */
  inbound(now: number, source: Endpoint, port: number): Endpoint | undefined {
    const mapping = this.#byPort.get(port);
    if (mapping === undefined || mapping.expiresAt < now) return undefined;
    if (this.kind === NatKind.EndpointIndependent) return mapping.inside;
    const needed = this.kind === NatKind.AddressDependent ? source.address : text(source);
    return mapping.contacted.has(needed) ? mapping.inside : undefined;
  }

  /** The external endpoint that `source` has towards `destination` now. */
  current(now: number, source: Endpoint, destination: Endpoint): Endpoint | undefined {
    const key =
      this.kind === NatKind.Symmetric ? `${text(source)} ${text(destination)}` : text(source);
    const mapping = this.#byInside.get(key);
    if (mapping === undefined || mapping.expiresAt < now) return undefined;
    return { address: this.externalAddress, port: mapping.externalPort };
  }

  /** Loses all mappings; the next ones get other ports. */
  reboot(): void {
    this.#byInside.clear();
    this.#byPort.clear();
  }

  #create(inside: Endpoint, key: string): Mapping {
    let externalPort = 0;
    do externalPort = 1024 + this.#random.below(64_000);
    while (this.#byPort.has(externalPort));
    const mapping: Mapping = { inside, externalPort, key, expiresAt: 0, contacted: new Set() };
    this.#byInside.set(key, mapping);
    this.#byPort.set(externalPort, mapping);
    return mapping;
  }

  #remove(mapping: Mapping): void {
    this.#byInside.delete(mapping.key);
    this.#byPort.delete(mapping.externalPort);
  }
}
